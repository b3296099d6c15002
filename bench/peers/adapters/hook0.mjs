// Hook0 1.0.2, by api/openapi.snapshot.json of github.com/hook0/hook0 at 86a9d665 (2026-08-22).
// Within an application, a label selects the subscription, so each subscription has its own
// label. The payload is a string of JSON.

import { Refused } from '../http.mjs';
import { EVENT_TYPE } from './index.mjs';

/** @type {import('./index.mjs').Adapter} */
export const hook0 = {
  needs: ['application'],
  headers: (key) => ({ authorization: `Bearer ${key}` }),
  open: (call, { application = '' }, run) => {
    let registered = 0;
    return {
      register: async (url) => {
        if (registered === 0) await createType(call, application);
        registered += 1;
        const label = `${run}-${registered}`;
        const subscription = await call('POST', '/api/v1/subscriptions/', {
          application_id: application,
          is_enabled: true,
          event_types: [EVENT_TYPE],
          labels: { peers: label },
          target: { type: 'http', method: 'POST', url, headers: {} },
        });
        return { id: subscription.subscription_id, label };
      },
      publish: async ({ label = '' }, data) => {
        await call('POST', '/api/v1/event/', {
          application_id: application,
          event_type: EVENT_TYPE,
          labels: { peers: label },
          occurred_at: new Date().toISOString(),
          payload: JSON.stringify(data),
          payload_content_type: 'application/json',
        });
      },
    };
  },
};

/**
 * @param {import('../http.mjs').Call} call
 * @param {string} application
 */
async function createType(call, application) {
  const [service, resource, verb] = EVENT_TYPE.split('.');
  try {
    await call('POST', '/api/v1/event_types/', {
      application_id: application,
      service,
      resource_type: resource,
      verb,
    });
  } catch (error) {
    // An earlier run created it.
    if (!(error instanceof Refused && error.status === 409)) throw error;
  }
}
