// This service, by openapi.json. An event goes to the endpoints of the app that subscribe to
// its type, so each endpoint has its own type.

import { EVENT_TYPE } from './index.mjs';

/** @type {import('./index.mjs').Adapter} */
export const ours = {
  needs: [],
  headers: (key) => ({ 'x-api-key': key }),
  open: (call, _options, run) => {
    let registered = 0;
    return {
      register: async (url) => {
        registered += 1;
        const type = `${EVENT_TYPE}.${run}-${registered}`;
        const answer = await call('POST', '/webhooks', { url, events: [type] });
        return { id: answer.data.id, type };
      },
      publish: async ({ type }, data) => {
        await call('POST', '/events', { type, data });
      },
    };
  },
};
