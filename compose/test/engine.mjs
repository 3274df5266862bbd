// What the story needs of the engine, without a docker CLI: engine.mjs project | engine.mjs exec SERVICE COMMAND…
import { createRequire } from 'node:module';
import { hostname } from 'node:os';

const Docker = createRequire('/opt/mcads-orchestrate/dist/main.js')('dockerode');
const engine = new Docker();
const own = await engine.getContainer(hostname()).inspect();
const project = own.Config.Labels['com.docker.compose.project'];
const [verb, service, ...command] = process.argv.slice(2);
if (verb === 'project') console.log(project);
else process.exitCode = await runIn(service, command);

async function runIn(service, Cmd) {
  const label = [`com.docker.compose.project=${project}`, `com.docker.compose.service=${service}`];
  const [found] = await engine.listContainers({ filters: { label } });
  if (found === undefined) throw new Error(`no container of ${service} runs`);
  const exec = await engine.getContainer(found.Id).exec({ Cmd, AttachStdout: true, AttachStderr: true });
  const stream = await exec.start({});
  engine.modem.demuxStream(stream, process.stdout, process.stderr);
  await new Promise((resolve, reject) => stream.once('end', resolve).once('error', reject));
  return (await exec.inspect()).ExitCode;
}
