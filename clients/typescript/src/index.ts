/** A typed client for the webhook-endpoints API. The types are generated from openapi.json. */

import createFetchClient, { type Client as FetchClient, type ClientOptions } from "openapi-fetch";
import { ApiError } from "./error.js";
import type { paths } from "./schema.js";

export { ApiError, type Problem } from "./error.js";
export type * from "./schema.js";

/** Calls are made by method and path: `client.GET("/apps/{appId}", …)`. */
export type Client = FetchClient<paths>;

export interface Options extends Omit<ClientOptions, "baseUrl"> {
  /** The API's URL without a trailing slash, as in the stack output `ApiUrl`. */
  baseUrl: string;
  /** An API key, or the token of a portal session. */
  key: string;
}

export function createClient({ key, ...options }: Options): Client {
  const client = createFetchClient<paths>(options);
  client.use({
    onRequest({ request }) {
      request.headers.set("authorization", `Bearer ${key}`);
      return request;
    },
  });
  return client;
}

interface Result<Body> {
  data?: Body;
  error?: unknown;
  response: Response;
}

/** Waits for a call and returns the `data` of its response. Throws an `ApiError` if it fails. */
export async function unwrap<Data>(call: Promise<Result<{ data: Data }>>): Promise<Data>;
/** Waits for a call whose response has no body. */
export async function unwrap(call: Promise<Result<unknown>>): Promise<undefined>;
export async function unwrap(call: Promise<Result<unknown>>): Promise<unknown> {
  const { data, error, response } = await call;
  if (!response.ok) throw new ApiError(response, error);
  return (data as { data: unknown } | undefined)?.data;
}

interface Page<Item> {
  items: Item[];
  nextCursor: string | null;
}

/**
 * Iterates over all items of a list. It passes each page's cursor to `list` and stops
 * after the last page. Throws an `ApiError` if a page can't be read.
 */
export async function* paginate<Item>(
  list: (page: { cursor?: string }) => Promise<Result<{ data: Page<Item> }>>,
): AsyncGenerator<Item, void, undefined> {
  let page: { cursor?: string } = {};
  for (;;) {
    const { items, nextCursor } = await unwrap(list(page));
    yield* items;
    if (nextCursor === null) return;
    page = { cursor: nextCursor };
  }
}
