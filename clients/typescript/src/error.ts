/** A problem with one field of the request. */
export interface Problem {
  field: string;
  message: string;
}

/** A response that is not 2xx. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  /** `VALIDATION_ERROR`, `NOT_FOUND` and so on. Null if the response is not the API's own. */
  readonly code: string | null;
  /** Every problem with the request if `code` is `VALIDATION_ERROR`. */
  readonly details: readonly Problem[];
  /** Identifies the request in the operator's log. */
  readonly requestId: string | null;
  /** How many seconds to wait before trying again, if the API says so (429 and 503). */
  readonly retryAfter: number | null;

  constructor(response: Response, body: unknown) {
    const { code, message, details } = errorOf(body);
    super(message ?? `the API responded with ${response.status}`);
    this.status = response.status;
    this.code = code ?? null;
    this.details = details ?? [];
    this.requestId = response.headers.get("x-request-id");
    const retryAfter = response.headers.get("retry-after");
    this.retryAfter = retryAfter === null ? null : Number(retryAfter);
  }
}

interface ErrorBody {
  code?: string;
  message?: string;
  details?: Problem[];
}

/** A gateway in between may respond with something other than the API's JSON. */
function errorOf(body: unknown): ErrorBody {
  if (typeof body !== "object" || body === null || !("error" in body)) return {};
  const error = body.error;
  return typeof error === "object" && error !== null ? error : {};
}
