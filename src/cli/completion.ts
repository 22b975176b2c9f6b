// `holdpoint completion bash|zsh|fish`: a script for the shell, made from the commands themselves. Ids of open requests are asked of the
// server when they are wanted, by `requests --json`, with the login that is stored.
import { Argument, Command } from 'commander';

const SHELLS = { bash, zsh, fish } as const;
type Shell = keyof typeof SHELLS;

/** Ids that a server knows, by what an argument's description says they begin with: asked by these commands. */
const IDS = { HP: 'requests', PM: 'permits' } as const;
type Ids = keyof typeof IDS;
const idsOf = (kind: Ids): string =>
  `holdpoint ${IDS[kind]} --json 2>/dev/null | grep -o '"id": "${kind}-[0-9A-Z]*"' | cut -d'"' -f4`;
/** Names of values that are in the file system. */
const FILES = /^(file|folder)$/;

/** `program`: all commands, known only once they are made. */
export function completionCommand(program: () => Command): Command {
  return new Command('completion')
    .description('print a script that completes commands, options and ids of open requests')
    .addArgument(new Argument('<shell>', 'whose script').choices(Object.keys(SHELLS)))
    .addHelpText(
      'after',
      '\n  bash   echo \'eval "$(holdpoint completion bash)"\' >> ~/.bashrc' +
        '\n  zsh    echo \'eval "$(holdpoint completion zsh)"\' >> ~/.zshrc' +
        '\n  fish   holdpoint completion fish > ~/.config/fish/completions/holdpoint.fish',
    )
    .action((shell: Shell) => void process.stdout.write(SHELLS[shell](program())));
}

interface Flag {
  readonly flag: string;
  readonly text: string;
  /** What its value is called; '' where it takes none. */
  readonly value: string;
  readonly choices: readonly string[];
}

interface Node {
  /** '' for the program itself, 'permits', 'permits revoke'. */
  readonly path: string;
  readonly commands: readonly Command[];
  readonly options: readonly Flag[];
  /** What its argument may be. */
  readonly values: readonly string[];
  readonly ids: Ids | null;
  readonly files: boolean;
}

function nodes(command: Command, path = ''): Node[] {
  const given = command.registeredArguments;
  const node: Node = {
    path,
    commands: command.commands,
    options: [
      ...command.options.map(({ long, flags, description, argChoices }) => ({
        flag: long ?? '',
        text: description,
        value: /[<[]([^>\]]*)/.exec(flags)?.[1] ?? '',
        choices: argChoices ?? [],
      })),
      { flag: '--help', text: 'display help', value: '', choices: [] },
    ],
    values: given.flatMap(({ argChoices }) => argChoices ?? []),
    ids: KINDS.find((kind) => given.some(({ description }) => description.startsWith(`${kind}-`))) ?? null,
    files: given.some((argument) => FILES.test(argument.name())),
  };
  return [node, ...command.commands.flatMap((one) => nodes(one, path === '' ? one.name() : `${path} ${one.name()}`))];
}
const KINDS = Object.keys(IDS) as readonly Ids[];

/** For each subcommand the step that leads to it: where one is and the next word, and where one is then. */
function steps(all: readonly Node[]): { readonly word: string; readonly path: string }[] {
  return all.flatMap(({ path, commands }) =>
    commands.map((one) => ({ word: `${path}/${one.name()}`, path: `${path} ${one.name()}`.trim() })),
  );
}

/** No variable in it may have a name that means something to zsh, which runs it, too: `path` is its PATH, `words` its own line. */
function bash(program: Command): string {
  const all = nodes(program);
  const offers = all.map(({ path, commands, options, values, ids, files }) => {
    const words = [...commands.map((one) => one.name()), ...values, ...options.map(({ flag }) => flag)].join(' ');
    return `    '${path}') offer='${words}'${ids ? ` ids=${ids}` : ''}${files ? ' files=1' : ''} ;;`;
  });
  const values = all.flatMap(({ path, options }) =>
    options
      .filter(({ value }) => value !== '')
      .map(
        ({ flag, value, choices }) =>
          `    '${path}/${flag}') offer='${choices.join(' ')}' ids= files=${FILES.test(value) ? '1' : ''} ;;`,
      ),
  );
  return `# holdpoint completion bash
_holdpoint() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} at= offer= ids= files= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at/\${COMP_WORDS[i]}" in
${steps(all)
  .map(({ word, path }) => `      '${word}') at='${path}' ;;`)
  .join('\n')}
    esac
  done
  case "$at" in
${offers.join('\n')}
  esac
  case "$at/$prev" in
${values.join('\n')}
  esac
  case "$ids/$cur" in
    */-*) ;;
${KINDS.map((kind) => `    ${kind}/*) offer="$offer $(${idsOf(kind)})" ;;`).join('\n')}
  esac
  COMPREPLY=($(compgen -W "$offer" -- "$cur"))
  if [ -n "$files" ]; then
    local IFS=$'\\n'
    if [ -n "$BASH_VERSION" ]; then compopt -o filenames 2>/dev/null; fi
    COMPREPLY+=($(compgen -f -- "$cur"))
  fi
}
complete -F _holdpoint holdpoint
`;
}

/** zsh runs bash's. A second compinit would cost time, and asks about folders that others may write to: there it offers nothing from them. */
function zsh(program: Command): string {
  return `(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i; }\nautoload -Uz bashcompinit && bashcompinit\n${bash(program)}`;
}

function fish(program: Command): string {
  const quoted = (text: string) => `'${text.replaceAll(/['\\]/g, (char) => `\\${char}`)}'`;
  const all = nodes(program);
  const lines = all.flatMap(({ path, commands, options, values: ofArgument, ids, files }) => {
    const line = (rest: string) => `complete -c holdpoint -n ${quoted(`__holdpoint_at ${quoted(path)}`)} ${rest}`;
    return [
      ...commands.map((one) => line(`-a ${one.name()} -d ${quoted(one.description())}`)),
      ...options.map(({ flag, text, value, choices }) => {
        const takes = value === '' ? '' : FILES.test(value) ? ' -r -F' : ' -x';
        const values = choices.length > 0 ? ` -a ${quoted(choices.join(' '))}` : '';
        return line(`-l ${flag.slice(2)}${takes}${values} -d ${quoted(text)}`);
      }),
      ...ofArgument.map((value) => line(`-a ${value}`)),
      ...(ids ? [line(`-a ${quoted(`(${idsOf(ids)})`)}`)] : []),
      ...(files ? [line('-F')] : []),
    ];
  });
  return `# holdpoint completion fish
function __holdpoint_at
    set -l at ''
    set -l given (commandline -opc)
    set -e given[1]
    for word in $given
        switch "$at/$word"
${steps(all)
  .map(({ word, path }) => `            case ${quoted(word)}\n                set at ${quoted(path)}`)
  .join('\n')}
        end
    end
    test "$at" = "$argv[1]"
end
complete -c holdpoint -f
${lines.join('\n')}
`;
}
