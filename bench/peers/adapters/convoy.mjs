// Convoy 26.7.3, by docs/v3/openapi3.json of github.com/frain-dev/convoy at 2b60cc65
// (2026-08-21). An event names its endpoint, and reaches it through a subscription.

import { EVENT_TYPE } from './index.mjs';

/** @type {import('./index.mjs').Adapter} */
export const convoy = {
  needs: ['project'],
  headers: (key) => ({ authorization: `Bearer ${key}` }),
  open: (call, { project }, run) => {
    const path = `/api/v1/projects/${project}`;
    let registered = 0;
    return {
      register: async (url) => {
        registered += 1;
        const name = `peers ${run}-${registered}`;
        const { data: endpoint } = await call('POST', `${path}/endpoints`, { name, url });
        await call('POST', `${path}/subscriptions`, {
          name,
          endpoint_id: endpoint.uid,
          filter_config: { event_types: [EVENT_TYPE] },
        });
        return { id: endpoint.uid };
      },
      publish: async ({ id }, data) => {
        await call('POST', `${path}/events`, { endpoint_id: id, event_type: EVENT_TYPE, data });
      },
    };
  },
};
