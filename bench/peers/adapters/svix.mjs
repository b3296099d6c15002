// Svix server 1.100.0, by server/openapi.json of github.com/svix/svix-webhooks at 4fc0cfb8
// (2026-08-21). A message goes to all endpoints of its application, so each endpoint has its
// own application. Event types need not exist.

import { EVENT_TYPE } from './index.mjs';

/** @type {import('./index.mjs').Adapter} */
export const svix = {
  needs: [],
  headers: (key) => ({ authorization: `Bearer ${key}` }),
  open: (call, _options, run) => {
    let registered = 0;
    return {
      register: async (url) => {
        registered += 1;
        const app = await call('POST', '/api/v1/app', { name: `peers ${run}-${registered}` });
        const endpoint = await call('POST', `/api/v1/app/${app.id}/endpoint`, { url });
        return { id: endpoint.id, app: app.id };
      },
      publish: async ({ app }, data) => {
        await call('POST', `/api/v1/app/${app}/msg`, { eventType: EVENT_TYPE, payload: data });
      },
    };
  },
};
