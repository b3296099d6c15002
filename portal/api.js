// The public API, as the portal uses it. Calls return the answer's `data` or throw an
// ApiError.

import { BASE, request } from './session.js';

/**
 * @typedef {'platform' | 'all' | 'manage' | 'read' | 'publish'} Scope
 * @typedef {{kind: 'key' | 'session', appId: string | null, scope: Scope, webhookId: string | null, expiresAt: string | null}} Access
 * @typedef {{id: string, url: string, events: string[], active: boolean, createdAt: string, updatedAt: string, rateLimit: number | null, description: string | null, metadata: Record<string, string>, channels: string[] | null, filter: unknown, headerNames: string[], previousSecretExpiresAt: string | null, inactiveSince: string | null, disabledReason: 'GONE' | 'FAILING' | null, disabledAt: string | null, slowSince: string | null, failingSince: string | null, pausedAt: string | null, nextProbeAt: string | null}} Endpoint
 * @typedef {{secret?: string, secretFormat?: 'text'}} OwnSecret
 * @typedef {{url?: string, events?: string[], active?: boolean, rateLimit?: number | null, description?: string | null, channels?: string[] | null, filter?: unknown, headers?: Record<string, string> | null}} EndpointChange
 * @typedef {'PENDING' | 'DELIVERED' | 'FAILED'} Status
 * @typedef {{id: string, event: string, status: Status, responseStatus: number | null, attempts: number, createdAt: string, deliveredAt: string | null, nextRetryAt: string | null}} Delivery
 * @typedef {{number: number, startedAt: string, durationMs: number, responseStatus: number | null, responseBody: string | null, bodyNote: {code: string, message: string} | null, code: string | null, error: string | null}} Attempt
 * @typedef {Delivery & {eventId: string, payload: unknown, payloadDeletedAt: string | null, reason: string | null, error: string | null, attemptLog: Attempt[]}} DeliveryDetails
 * @typedef {{success: boolean, statusCode: number | null, responseBody: string | null, error: string | null, deliveryId: string, status: Status}} PingOutcome
 * @typedef {{name: string, description: string, schema: unknown, example: unknown, group: string | null, deprecated: boolean}} EventType
 * @typedef {{id: string, name: string | null, status: 'ACTIVE' | 'DELETING', createdAt: string}} App
 * @typedef {App & {endpoints: number, keys: number}} AppDetails
 * @typedef {{id: string, scope: Scope, label: string, ends: string, createdAt: string, expiresAt: string | null}} ApiKey
 * @typedef {{status?: string, event?: string, since?: string, until?: string, cursor?: string | null, limit?: number}} HistoryQuery
 */

/**
 * @template T
 * @typedef {{items: T[], nextCursor: string | null}} Page
 */

/** An error from the API, or from the way to it. */
export class ApiError extends Error {
  /**
   * @param {number} status 0 if there was no answer
   * @param {string} code
   * @param {string} message
   * @param {{details?: {field: string, message: string}[], requestId?: string | null, retryAfter?: number | null}} [more]
   */
  constructor(status, code, message, more = {}) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
    this.details = more.details ?? [];
    this.requestId = more.requestId ?? null;
    this.retryAfter = more.retryAfter ?? null;
  }
}

/** @param {Response} response */
async function errorOf(response) {
  const seconds = Number.parseInt(response.headers.get('retry-after') ?? '', 10);
  const more = {
    requestId: response.headers.get('x-request-id'),
    retryAfter: Number.isNaN(seconds) ? null : seconds,
  };
  // API Gateway answers some requests itself, in its own format.
  const body = await response.json().catch(() => null);
  const error = body?.error;
  if (typeof error?.code !== 'string') return new ApiError(response.status, 'UNKNOWN', '', more);
  const details = Array.isArray(error.details) ? error.details : [];
  return new ApiError(response.status, error.code, String(error.message), { ...more, details });
}

export class Api {
  /** @type {string} */
  #token;
  /** @type {() => void} */
  #onExpired;
  /** @type {Map<string, Promise<Response>>} */
  #underWay;

  /**
   * @param {string} token a session's token or an API key
   * @param {() => void} onExpired called when the API no longer accepts the token
   * @param {Map<string, Promise<Response>>} [underWay] GETs that are made already, by URL.
   *   Each is used once.
   */
  constructor(token, onExpired, underWay = new Map()) {
    this.#token = token;
    this.#onExpired = onExpired;
    this.#underWay = underWay;
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {{body?: unknown, query?: Record<string, unknown>, prefer?: string, signal?: AbortSignal}} [options]
   * @returns {Promise<any>}
   */
  async #call(method, path, { body, query, prefer, signal } = {}) {
    const url = new URL(path, BASE);
    for (const [name, value] of Object.entries(query ?? {})) {
      if (value !== null && value !== undefined && value !== '') url.searchParams.set(name, String(value));
    }
    const underWay = method === 'GET' ? this.#underWay.get(url.href) : undefined;
    this.#underWay.delete(url.href);
    /** @type {Record<string, string>} */
    const headers = {};
    if (body !== undefined) headers['content-type'] = 'application/json';
    if (prefer) headers.prefer = prefer;
    const response = await (underWay ?? request(url, this.#token, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      ...(signal && { signal }),
    })).catch((error) => {
      if (signal?.aborted) throw error;
      throw new ApiError(0, 'OFFLINE', '');
    });
    if (response.status === 204) return null;
    if (!response.ok) {
      if (response.status === 401) this.#onExpired();
      throw await errorOf(response);
    }
    const answer = await response.json().catch(() => null);
    if (answer?.success !== true) throw new ApiError(response.status, 'UNKNOWN', '');
    return answer.data;
  }

  /** @returns {Promise<Access>} */
  access() {
    return this.#call('GET', 'key');
  }

  /**
   * The whole event type catalogue, at most 1,000 types.
   *
   * @returns {Promise<EventType[]>}
   */
  async eventTypes() {
    /** @type {EventType[]} */
    const all = [];
    let cursor = null;
    do {
      /** @type {Page<EventType>} */
      const page = await this.#call('GET', 'event-types', { query: { limit: 100, cursor } });
      all.push(...page.items);
      cursor = page.nextCursor;
    } while (cursor !== null && all.length < 1_000);
    return all;
  }

  /**
   * The calls about one app.
   *
   * @param {string} appId
   */
  app(appId) {
    const app = `apps/${encodeURIComponent(appId)}`;
    /** @param {string} id */
    const webhook = (id) => `${app}/webhooks/${encodeURIComponent(id)}`;
    /** @param {string} id @param {string} delivery */
    const delivery = (id, delivery) => `${webhook(id)}/deliveries/${encodeURIComponent(delivery)}`;
    return {
      /** @returns {Promise<Endpoint[]>} */
      endpoints: () => this.#call('GET', `${app}/webhooks`, { query: { view: 'full' } }),
      /** @param {string} id @returns {Promise<Endpoint>} */
      endpoint: (id) => this.#call('GET', webhook(id)),
      /** @param {EndpointChange & OwnSecret} body @returns {Promise<{id: string, url: string, secret: string}>} */
      create: (body) => this.#call('POST', `${app}/webhooks`, { body }),
      /** @param {string} id @param {EndpointChange} body @returns {Promise<unknown>} */
      change: (id, body) => this.#call('PUT', webhook(id), { body }),
      /** @param {string} id @returns {Promise<null>} */
      remove: (id) => this.#call('DELETE', webhook(id)),
      /** @param {string} id @param {OwnSecret & {overlapSeconds: number}} body @returns {Promise<{secret: string}>} */
      rotate: (id, body) => this.#call('POST', `${webhook(id)}/rotate-secret`, { body }),
      /** @param {string} id @returns {Promise<null>} */
      endOverlap: (id) => this.#call('DELETE', `${webhook(id)}/previous-secret`),
      /** @param {string} id @param {{data: unknown, filter: unknown}} body @returns {Promise<{matches: boolean, failedAt: string | null}>} */
      testFilter: (id, body) => this.#call('POST', `${webhook(id)}/filter-test`, { body }),
      /** @param {string} id @param {string | null} type @returns {Promise<PingOutcome>} */
      ping: (id, type) =>
        this.#call('POST', `${webhook(id)}/test-ping`, {
          body: type === null ? undefined : { type },
          prefer: 'wait=20',
        }),
      /** @param {string} id @param {HistoryQuery} query @param {AbortSignal} [signal] @returns {Promise<Page<Delivery>>} */
      history: (id, query, signal) =>
        this.#call('GET', `${webhook(id)}/deliveries`, { query, ...(signal && { signal }) }),
      /** @param {string} id @param {string} of @returns {Promise<DeliveryDetails>} */
      delivery: (id, of) => this.#call('GET', delivery(id, of)),
      /** @param {string} id @param {string} of @returns {Promise<{id: string}>} */
      resend: (id, of) => this.#call('POST', `${delivery(id, of)}/resend`),
      /** @param {string} id @param {{since: string, until?: string}} range @returns {Promise<{deliveries: number, atLeast: boolean}>} */
      recover: (id, range) =>
        this.#call('POST', `${webhook(id)}/recover`, { body: { ...range, status: 'FAILED' } }),
      /** @param {string} id @param {{since: string, until?: string}} range @returns {Promise<{deliveries: number, atLeast: boolean}>} */
      replay: (id, range) => this.#call('POST', `${webhook(id)}/replay`, { body: range }),
      /** @returns {Promise<AppDetails>} */
      details: () => this.#call('GET', app),
      /** @returns {Promise<ApiKey[]>} */
      keys: () => this.#call('GET', `${app}/keys`),
      /** @param {{scope: string, expiresInSeconds: number}} body @returns {Promise<{url: string, expiresAt: string}>} */
      openPortal: (body) => this.#call('POST', `${app}/portal-sessions`, { body }),
    };
  }

  /**
   * @param {{prefix?: string, cursor?: string | null}} query
   * @param {AbortSignal} [signal]
   * @returns {Promise<Page<App>>}
   */
  apps(query, signal) {
    return this.#call('GET', 'apps', { query: { limit: 50, ...query }, ...(signal && { signal }) });
  }
}

/** @typedef {ReturnType<Api['app']>} AppApi */
