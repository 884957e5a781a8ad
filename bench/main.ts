import { program } from './program.ts';
import { runProgram } from './run.ts';

await runProgram('bench', program());
