import { clusterProgram } from './cluster/program.ts';
import { runProgram } from './run.ts';

await runProgram('bench:cluster', clusterProgram());
