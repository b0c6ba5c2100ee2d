/** Every way in which a SIEM can fail, each sink through its own list at the same time; then all are mended. */
import { setTimeout as sleep } from 'node:timers/promises';
import { startMosaic } from '../../src/simulator/mosaic.ts';
import { activitySource, type SimulatedActivity } from '../../src/simulator/sessions.ts';
import { newDaemon, type Scope } from '../fixtures/process.ts';
import { eventOf, PLANTED, STREAM } from '../fixtures/surroundings.ts';
import { type Campaign, PATIENCE_MS, type Stage } from './campaign.ts';
import { type Patient, startPatients, type Trouble } from './patients.ts';
import { gapsOf, judge, settle } from './verdict.ts';

export const sinkTrouble: Campaign = {
  name: 'sinks',
  besides: true,
  async run(stage) {
    const { scope, tally, random } = stage;
    const { daemon, mosaic, known, patients } = await startWorld(scope);
    for (const { sink, troubles } of patients) tally.need(...troubles.map(({ name }) => `${sink}: ${name}`));
    tally.need('events that came more than once', 'dead letters');
    const source = activitySource({ seed: random.between(1, 2 ** 31), rate: 80 });
    const flow = mosaic.flow(STREAM, 80, {
      next: (at) => learn(known, source.next(at)),
      take: (count) => source.take(count).map((activity) => learn(known, activity)),
    });
    daemon.start();
    await daemon.ready(PATIENCE_MS);
    let done = 0;
    const all = patients.reduce((sum, { troubles }) => sum + troubles.length, 0);
    const goThrough = async (patient: Patient) => {
      for (const trouble of patient.troubles) {
        await suffer(stage, patient, trouble);
        done += 1;
        stage.progress(`${done} of ${all} troubles`);
      }
    };
    await Promise.all(patients.map(goThrough));
    flow.stop();
    if (!(await settle({ mosaic, daemon }, tally))) return;
    await judge(tally, {
      batches: mosaic.ledger.batches,
      expected: (key, receivedAt) => eventOf(known.get(key) ?? '', receivedAt),
      spool: daemon.spool,
      ends: patients,
      mayBeLost: () => false,
    });
    const { sinks } = await daemon.status();
    tally.happened(
      'dead letters',
      sinks.reduce((sum, sink) => sum + sink.dead_letters, 0),
    );
    const gaps = await gapsOf({ daemon });
    if (Object.keys(gaps).length > 0) tally.fault(`possible gaps that no sink can make: ${JSON.stringify(gaps)}`);
  },
};

function learn(known: Map<string, string>, activity: SimulatedActivity): SimulatedActivity {
  known.set(activity.key, activity.json);
  return activity;
}

/** Begins one trouble, waits until it was met, ends it, and waits until events arrive again. */
async function suffer({ tally }: Stage, patient: Patient, trouble: Trouble): Promise<void> {
  const name = `${patient.sink}: ${trouble.name}`;
  await trouble.begin();
  const met = trouble.met ?? (() => patient.gate.met);
  const isMet = await within60Seconds(() => met() > 0);
  tally.happened(name, isMet ? 1 : 0);
  await sleep(trouble.lastsMs ?? 500);
  await trouble.end();
  const before = sum(patient.arrivals());
  const recovered = await within60Seconds(() => sum(patient.arrivals()) > before);
  if (recovered) tally.recovered += 1;
  else tally.fault(`${name}: nothing arrives within 60 s after it has ended`);
  await sleep(trouble.restMs ?? 0);
}

async function within60Seconds(holds: () => boolean): Promise<boolean> {
  for (const end = performance.now() + 60_000; performance.now() < end; await sleep(10)) if (holds()) return true;
  return false;
}

function sum(arrivals: ReadonlyMap<string, number>): number {
  return arrivals.size;
}

async function startWorld(scope: Scope) {
  const mosaic = await startMosaic({ streams: [STREAM], clientSecret: PLANTED.clientSecret });
  scope.after(() => mosaic.close());
  const patients = await startPatients(scope);
  const daemon = await newDaemon(
    scope,
    ({ spool, port }) => `mosaic:
  base_url: ${mosaic.baseUrl}
  client_id: demo-client
  client_secret: "${PLANTED.clientSecret}"
  streams: [{ type: verify, id: siem, poll_interval: 500ms }]
spool: { path: "${spool}" }
status: { listen: "127.0.0.1:${port}" }
sinks:
${patients.map(({ sink, config }) => `  ${sink}: { ${config} }`).join('\n')}
`,
  );
  return { mosaic, daemon, patients, known: new Map<string, string>() };
}
