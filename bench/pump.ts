import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { Agent, request } from 'undici';
import { BATCH, STREAM } from './processes.ts';

/** The measure of all: the same bytes read over HTTP and posted on, page by page, with the same gzip. It keeps nothing and maps nothing. */
const compress = promisify(gzip);
const AT_ONCE = 8;
const [baseUrl = '', tokenUrl = '', secret = '', target = ''] = process.argv.slice(2);
const dispatcher = new Agent({ allowH2: false });

const form = new URLSearchParams({ grant_type: 'client_credentials', client_id: 'bench', client_secret: secret });
const answer = await request(tokenUrl, {
  dispatcher,
  method: 'POST',
  headers: { 'content-type': 'application/x-www-form-urlencoded' },
  body: form.toString(),
});
const { access_token: token } = (await answer.body.json()) as { access_token: string };
const [type, id] = STREAM.split('/');
const url = `${baseUrl}/activities/collect?type=${type}&stream_id=${id}&batch_size=${BATCH}`;
const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };

const posting = new Set<Promise<void>>();
for (;;) {
  const page = await request(url, { dispatcher, method: 'POST', headers, body: '{}' });
  const body = Buffer.from(await page.body.arrayBuffer());
  if (body.length <= 2) break;
  if (posting.size >= AT_ONCE) await Promise.race(posting);
  const post = send(body).finally(() => posting.delete(post));
  posting.add(post);
}
await Promise.all(posting);
process.send?.('done');

async function send(body: Buffer): Promise<void> {
  const packed = await compress(body, { level: 1 });
  const posted = await request(`${target}/services/collector/event`, {
    dispatcher,
    method: 'POST',
    headers: { 'content-encoding': 'gzip', 'content-type': 'application/json' },
    body: packed,
  });
  if (posted.statusCode !== 200) throw new Error(`the receiver answered ${posted.statusCode}`);
  await posted.body.dump();
}
