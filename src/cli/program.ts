// The command line as a whole: which commands there are, and how each ends. One file per command; this one only lists them.
import { Command } from 'commander';
import { auditCommand } from './audit.ts';
import { checkCommand } from './check.ts';
import { completionCommand } from './completion.ts';
import { approveCommand, denyCommand } from './decide.ts';
import { EXIT, faultText } from './failure.ts';
import { initCommand } from './init.ts';
import { loginCommand } from './login.ts';
import { logoutCommand } from './logout.ts';
import { permitsCommand } from './permits.ts';
import { policyCommand } from './policy.ts';
import type { Deps } from './ports.ts';
import { requestsCommand } from './requests.ts';
import { reviewCommand } from './review/command.ts';
import { sayCommands } from './say.ts';
import { serveCommand } from './serve.ts';
import { sessionsCommand } from './sessions.ts';
import { startCommand } from './start.ts';
import { tokenCommand } from './token.ts';
import { userCommand } from './user.ts';
import { VERSION } from './version.ts';
import { whoamiCommand } from './whoami.ts';
import { webhooksCommand } from './webhooks.ts';

/** Runs the command that the arguments name; sets process.exitCode. `argv` as in process.argv. */
export async function runProgram(deps: Deps, argv: readonly string[] = process.argv): Promise<void> {
  try {
    await createProgram(deps).parseAsync(argv);
  } catch (error) {
    const { text, exit } = faultText(error);
    process.stderr.write(`${text}\n`);
    process.exitCode = exit;
  }
}

export function createProgram(deps: Deps): Command {
  const program = new Command('holdpoint')
    .description('Holds risky SQL open on the wire until another person approves it.')
    .version(VERSION)
    .showHelpAfterError("('holdpoint --help' lists the commands)")
    .addHelpText(
      'after',
      '\nExit status: 0 done, 1 failed, 2 wrong usage or input; a command with more says so in its --help.',
    );
  const commands = [
    startCommand(deps),
    initCommand(),
    checkCommand(deps),
    serveCommand(deps),
    userCommand(),
    loginCommand(),
    logoutCommand(),
    whoamiCommand(),
    reviewCommand(),
    requestsCommand(),
    approveCommand(),
    denyCommand(),
    ...sayCommands(),
    permitsCommand(),
    sessionsCommand(),
    tokenCommand(),
    completionCommand(() => program),
    policyCommand(),
    auditCommand(deps),
    webhooksCommand(),
  ];
  for (const command of commands) program.addCommand(command);
  return withUsageStatus(program);
}

/** Commander ends with 1 on wrong usage; here that is 2. */
function withUsageStatus(program: Command): Command {
  for (const command of [program, ...program.commands, ...program.commands.flatMap((one) => one.commands)]) {
    command.exitOverride((error) => process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.usage));
  }
  return program;
}
