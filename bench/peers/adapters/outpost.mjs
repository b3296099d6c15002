// Outpost 1.2.0, by docs/apis/openapi.yaml of github.com/hookdeck/outpost at f67ae011
// (2026-08-20). An event goes to the destinations of its tenant, so each destination has its
// own tenant. If the sender has TOPICS, they must include the events' type.

import { EVENT_TYPE } from './index.mjs';

/** @type {import('./index.mjs').Adapter} */
export const outpost = {
  needs: [],
  headers: (key) => ({ authorization: `Bearer ${key}` }),
  open: (call, _options, run) => {
    let registered = 0;
    return {
      register: async (url) => {
        registered += 1;
        const tenant = `peers-${run}-${registered}`;
        await call('PUT', `/api/v1/tenants/${tenant}`);
        const destination = await call('POST', `/api/v1/tenants/${tenant}/destinations`, {
          type: 'webhook',
          topics: ['*'],
          config: { url },
        });
        return { id: destination.id, tenant };
      },
      publish: async ({ tenant }, data) => {
        await call('POST', '/api/v1/publish', {
          tenant_id: tenant,
          topic: EVENT_TYPE,
          // Outpost retries only on request.
          eligible_for_retry: true,
          data,
        });
      },
    };
  },
};
