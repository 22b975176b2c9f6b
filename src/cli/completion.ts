// `holdpoint completion bash|zsh|fish`: a script for the shell, made from the commands themselves. Ids of open requests are asked of the
// server when they are wanted, by `requests --json`, with the login that is stored.
import { Argument, Command } from 'commander';

const SHELLS = { bash, zsh, fish } as const;
type Shell = keyof typeof SHELLS;

/** What stands in place of a command's argument. */
const IDS = 'holdpoint requests --json 2>/dev/null | grep -o \'"id": "HP-[0-9A-Z]*"\' | cut -d\'"\' -f4';

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

interface Node {
  /** '' for the program itself, 'permits', 'permits revoke'. */
  readonly path: string;
  readonly commands: readonly Command[];
  readonly options: readonly { readonly flag: string; readonly text: string; readonly choices: readonly string[] }[];
  /** What its argument may be. */
  readonly values: readonly string[];
  readonly wantsId: boolean;
}

function nodes(command: Command, path = ''): Node[] {
  const node: Node = {
    path,
    commands: command.commands,
    options: [
      ...command.options.map(({ long, description, argChoices }) => ({
        flag: long ?? '',
        text: description,
        choices: argChoices ?? [],
      })),
      { flag: '--help', text: 'display help', choices: [] },
    ],
    values: command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
    wantsId: command.registeredArguments.some(({ description }) => description.startsWith('HP-')),
  };
  return [node, ...command.commands.flatMap((one) => nodes(one, path === '' ? one.name() : `${path} ${one.name()}`))];
}

function bash(program: Command): string {
  const all = nodes(program);
  const steps = all
    .filter(({ path }) => path !== '')
    .flatMap(({ path }) => {
      const parent = path.split(' ').slice(0, -1).join(' ');
      return `      '${parent}/${path.split(' ').at(-1)}') path='${path}' ;;`;
    });
  const words = all.map(
    ({ path, commands, options, values, wantsId }) =>
      `    '${path}') words='${[...commands.map((one) => one.name()), ...values, ...options.map(({ flag }) => flag)].join(' ')}'${wantsId ? ` ids=1` : ''} ;;`,
  );
  const choices = all.flatMap(({ path, options }) =>
    options
      .filter((option) => option.choices.length > 0)
      .map((option) => `    '${path}/${option.flag}') words='${option.choices.join(' ')}' ids= ;;`),
  );
  return `# holdpoint completion bash
_holdpoint() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} path= words= ids= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$path/\${COMP_WORDS[i]}" in
${steps.join('\n')}
    esac
  done
  case "$path" in
${words.join('\n')}
  esac
  case "$path/$prev" in
${choices.join('\n')}
  esac
  if [ -n "$ids" ] && [ "\${cur#-}" = "$cur" ]; then words="$words $(${IDS})"; fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _holdpoint holdpoint
`;
}

/** zsh runs bash's. */
function zsh(program: Command): string {
  return `autoload -Uz compinit bashcompinit && compinit && bashcompinit\n${bash(program)}`;
}

function fish(program: Command): string {
  const quoted = (text: string) => `'${text.replaceAll(/['\\]/g, (char) => `\\${char}`)}'`;
  const lines = nodes(program).flatMap(({ path, commands, options, values: ofArgument, wantsId }) => {
    const names = path.split(' ');
    const when =
      path === '' ? '__fish_use_subcommand' : names.map((name) => `__fish_seen_subcommand_from ${name}`).join('; and ');
    const line = (rest: string) => `complete -c holdpoint -n ${quoted(when)} ${rest}`;
    return [
      ...commands.map((one) => line(`-a ${one.name()} -d ${quoted(one.description())}`)),
      ...options.map(({ flag, text, choices }) => {
        const values = choices.length > 0 ? ` -x -a ${quoted(choices.join(' '))}` : '';
        return line(`-l ${flag.slice(2)}${values} -d ${quoted(text)}`);
      }),
      ...ofArgument.map((value) => line(`-a ${value}`)),
      ...(wantsId ? [line(`-a ${quoted(`(${IDS})`)}`)] : []),
    ];
  });
  return `# holdpoint completion fish\ncomplete -c holdpoint -f\n${lines.join('\n')}\n`;
}
