// Prints docs/generated/evidence.md from the tables that evidence folders are made by: what each table's fields mean, and which records bear
// on which control. `tsx tools/print-evidence.ts`; a test compares the file with what this prints.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CONTROLS, FRAMEWORKS, MEASURES } from '../src/cli/evidence/controls.ts';
import { TABLE_NAMES, TABLES } from '../src/cli/evidence/tables.ts';

export const PAGE = new URL('../docs/generated/evidence.md', import.meta.url);

/** The page, from the tables. */
export function controlsPage(): string {
  const tables = TABLE_NAMES.map((name) => {
    const { title, what, fields } = TABLES[name];
    const rows = fields.map((field) => `| \`${field.name}\` | ${field.meaning.replaceAll('|', '\\|')} |`);
    return `### ${name}.json: ${title}\n${what}\n\n| field | meaning |\n|---|---|\n${rows.join('\n')}\n`;
  });
  const frameworks = FRAMEWORKS.map((framework) => {
    const rows = CONTROLS.filter((one) => one.framework === framework).map(
      ({ id, title, fedramp, shows, not_shown, records }) => {
        const counted = records.map((one) => (one in MEASURES ? MEASURES[one as keyof typeof MEASURES] : `\`${one}\``));
        const name = `${id} ${title.replaceAll('|', '\\|')}${fedramp.length > 0 ? ` (FedRAMP ${fedramp.join(', ')})` : ''}`;
        return `| ${name} | ${shows} | ${counted.join(', ') || 'the folder itself'} | ${not_shown} |`;
      },
    );
    return `### ${framework}\n| control | the records show | counted | Holdpoint does not show |\n|---|---|---|---|\n${rows.join('\n')}\n`;
  });
  return `# What an evidence folder says

Printed from \`src/cli/evidence/tables.ts\` and \`controls.ts\` by \`tools/print-evidence.ts\`; do not edit. How to make a folder, and how to read it: [evidence](../evidence.md).

## Tables
Each is a file of the folder: an array of JSON objects, one a line. \`null\`: there is none, or it is not known. Times are ISO 8601, UTC. Fields may be added; those
that are here keep name and meaning.

${tables.join('\n')}
## Controls
A map for an auditor, and no opinion on compliance. Of SOC 2, whose criteria have no titles, the words beside the numbers are ours; of the others they are the
frameworks' titles. FedRAMP Moderate and High are profiles of NIST SP 800-53: where neither is named, neither has it.

${frameworks.join('\n')}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(PAGE, controlsPage());
