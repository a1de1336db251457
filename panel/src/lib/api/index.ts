// The generated client, and what it answers when it is refused.
import { client } from './generated/client.gen';
import { getSettings, type Problem } from './generated';
import { PATIENCE, server } from '../server-time';

export * from './generated';

/** Milliseconds after which a request is made again where the network failed. */
const PAUSES = [200, 1_000];
/** What may take longer than others, such as work on many files or at other servers, and how long, in milliseconds. */
const LONG =
  /\/(files|search|import|fetch|catalogue-origin|import-url|preview-url|revisions-url|source-check|images|checksum|test|mails?)(\/|\?|$)/;
const LONG_PATIENCE = 120_000;

/** Why there was no answer. What was to be changed may be changed, or not. */
function silent(request: Request, code: string, what: string): Refusal {
  if (!navigator.onLine) [code, what] = ['offline', 'Your device is offline'];
  const unsure = request.method !== 'GET' && !request.url.includes('/auth/');
  const detail = unsure ? `${what}, so this may have been done or not. Check your connection, and look before you try again.` : `${what}. Check your connection.`;
  return new Refusal({ status: 0, code, detail });
}

/** A request with a limit of time: on a line that is dead but not closed it would wait for ever. */
async function limited(request: Request): Promise<Response> {
  const limit = LONG.test(request.url) ? LONG_PATIENCE : PATIENCE;
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), limit);
  // The answer's body may take its time, as long as it comes.
  try {
    return await fetch(request, { signal: AbortSignal.any([request.signal, late.signal]) });
  } catch (error) {
    if (late.signal.aborted) throw silent(request, 'no_answer', `Raptor did not answer within ${limit / 1_000} seconds`);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** An order says until when it holds. */
function made(input: RequestInfo | URL, init?: RequestInit): Request {
  const request = new Request(input, init);
  const limit = request.method === 'GET' ? undefined : server.limit();
  if (limit) request.headers.set('X-Raptor-Not-After', limit);
  return request;
}

async function tried(request: Request, pauses: number[]): Promise<Response> {
  const [pause, ...rest] = pauses;
  try {
    return await limited(pause === undefined ? request : request.clone());
  } catch (error) {
    if (request.signal.aborted || error instanceof Refusal) throw error;
    if (pause === undefined) throw silent(request, 'unreachable', 'Raptor does not answer');
    await new Promise((resolve) => setTimeout(resolve, pause));
    return tried(request, rest);
  }
}

/** For what may be done twice: it is asked again where the network failed. */
export const again = (input: RequestInfo | URL, init?: RequestInit) => tried(made(input, init), PAUSES);

function send(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  const request = made(input, init);
  return tried(request, request.method === 'GET' ? PAUSES : []);
}

client.setConfig({ baseUrl: '', credentials: 'same-origin', headers: { 'X-Raptor-CSRF': '1' }, fetch: send });

/** Whether Raptor answers, within ten seconds. */
export async function answers(): Promise<boolean> {
  const deadline = Date.now() + 10_000;
  do {
    const { response } = await getSettings({ fetch }).catch(() => ({ response: undefined }));
    if (response?.ok) return true;
    await new Promise((resolve) => setTimeout(resolve, 500));
  } while (Date.now() < deadline);
  return false;
}

/** An answer that is not Raptor's own comes from what stands before it. */
function strange(status: number): string {
  if (status === 413) {
    return 'The proxy in front of Raptor refuses a request of this size (413). An administrator can let it pass more, such as by client_max_body_size in nginx.';
  }
  if (status >= 502 && status <= 504) return `The proxy in front of Raptor gets no answer from it (${status}). Try again in a moment.`;
  return `The answer did not come from Raptor (${status}). A proxy in front of it may be set up wrong: check the panel’s address, or ask an administrator.`;
}

/** A refusal in the API's words. */
export class Refusal extends Error {
  status: number;
  code: string;
  field: string | null;

  constructor(problem: Partial<Problem> & { status: number }) {
    super(problem.detail ?? strange(problem.status));
    this.status = problem.status;
    this.code = problem.code ?? 'unknown';
    this.field = problem.field ?? null;
  }
}

type Answer<T> = Promise<{ data?: T; error?: unknown; response?: Response }>;

/** Called when the session has ended elsewhere. */
let signedOut = () => {};
export const onSignedOut = (run: () => void) => (signedOut = run);

/** What the API answers, or a Refusal. */
export async function ask<T>(answer: Answer<T>): Promise<T> {
  const { data, error, response } = await answer.catch((error: unknown) => ({ data: undefined, error, response: undefined }));
  if (response?.ok) return data as T;
  if (error instanceof Refusal) throw error;
  if (!response) {
    const detail = navigator.onLine ? 'Raptor does not answer. Check your connection.' : 'Your device is offline. Check your connection.';
    throw new Refusal({ status: 0, code: 'unreachable', detail });
  }
  const refusal = new Refusal({ ...(typeof error === 'object' ? error : {}), status: response.status });
  if (refusal.code === 'unauthenticated') signedOut();
  throw refusal;
}

/** A failure as a sentence. The browser's own words, as of a bug in the panel, are for its console. */
export function words(error: unknown): string {
  if (error instanceof Refusal || (error instanceof Error && error.constructor === Error)) return error.message;
  console.error(error);
  return 'Something went wrong in the panel. Reload the page, then try again.';
}

/** The sentence for a form's field, if the failure is about it. */
export const about = (error: unknown, field: string): string | null =>
  error instanceof Refusal && error.field === field ? error.message : null;

/** The sentence for a form as a whole: what none of these fields, or parts of them, shows. */
export function overall(error: unknown, ...fields: string[]): string | null {
  const field = error instanceof Refusal ? error.field : null;
  const shown = field !== null && fields.some((name) => field === name || field.startsWith(`${name}.`));
  return error && !shown ? words(error) : null;
}
