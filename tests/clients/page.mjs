// A page that keeps OpenFeature's own web provider and reports what it sees, and when, to the page's server.
import { OpenFeature, ProviderEvents } from '@openfeature/web-sdk';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';

const { baseUrl, token, flag } = window.asked;
const report = (said) => fetch('/report', { method: 'POST', body: JSON.stringify({ ...said, at: Date.now() }) });
const client = OpenFeature.getClient();
const look = (why) => report({ why, value: client.getBooleanValue(flag, false), variant: client.getBooleanDetails(flag, false).variant ?? null });

window.addEventListener('error', (event) => report({ why: 'error', said: String(event.message) }));
window.addEventListener('unhandledrejection', (event) => report({ why: 'error', said: String(event.reason) }));
OpenFeature.addHandler(ProviderEvents.ConfigurationChanged, () => look('changed'));
await OpenFeature.setProviderAndWait(
  new OFREPWebProvider({ baseUrl, headers: [['Authorization', `Bearer ${token}`]], cacheMode: 'disabled', pollInterval: 0 }),
);
await look('ready');
