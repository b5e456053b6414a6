// Asks the switch through OpenFeature's own JavaScript server provider: a JSON line in, a JSON line out.
import { createInterface } from 'node:readline';
import { OpenFeature } from '@openfeature/server-sdk';
import { OFREPProvider } from '@openfeature/ofrep-provider';

const [baseUrl, token] = process.argv.slice(2);
await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl, headers: [['Authorization', `Bearer ${token}`]] }));
const client = OpenFeature.getClient();

for await (const line of createInterface({ input: process.stdin })) {
  const { flag, context } = JSON.parse(line);
  const found = await client.getBooleanDetails(flag, false, context ?? {});
  console.log(JSON.stringify({ value: found.value, variant: found.variant ?? null, error: found.errorCode ?? null }));
}
