// The generated client, and what it answers when it is refused.
import { client } from './generated/client.gen';
import { getSettings, type Problem } from './generated';
import { m } from '$lib/messages';
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
  if (!navigator.onLine) [code, what] = ['offline', m.api_offline()];
  const unsure = request.method !== 'GET' && !request.url.includes('/auth/');
  return new Refusal({ status: 0, code, detail: unsure ? m.api_unsure({ what }) : m.api_check_connection({ what }) });
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
    if (late.signal.aborted) throw silent(request, 'no_answer', m.api_no_answer({ seconds: limit / 1_000 }));
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
    if (pause === undefined) throw silent(request, 'unreachable', m.api_unreachable());
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
    return m.api_proxy_size();
  }
  if (status >= 502 && status <= 504) return m.api_proxy_silent({ status });
  return m.api_proxy_strange({ status });
}

/** The sentences of all problems: loaded with the first problem, or while the browser is idle, since no page needs them at first. */
export const wording = () => import('./problems');

/** A problem that the API answered. The message is its `detail`, unless `refused` has worded it in the language of the panel. */
export class Refusal extends Error {
  status: number;
  code: string;
  field: string | null;
  /** The values that the API's sentence names. */
  params: Record<string, unknown>;

  constructor(problem: Partial<Problem> & { status: number }, text = problem.detail ?? strange(problem.status)) {
    super(text);
    this.status = problem.status;
    this.code = problem.code ?? 'unknown';
    this.field = problem.field ?? null;
    this.params = problem.params ?? {};
  }
}

async function worded(problem: Partial<Problem>): Promise<string | undefined> {
  // Every first visit gets this one.
  if (problem.code === 'unauthenticated') return m.api_problem_unauthenticated();
  // If the file can't be loaded, as when the connection is lost, the API's own sentence is shown.
  return problem.code && (await wording().catch(() => null))?.worded(problem);
}

/** The refusal of a problem, in the panel's words where it has a sentence for it. */
export async function refused(problem: Partial<Problem> & { status: number }): Promise<Refusal> {
  const said = (await worded(problem)) ?? problem.detail ?? strange(problem.status);
  // The cause is only in the log, under this id.
  return new Refusal(problem, problem.code === 'internal' && problem.request_id ? `${said} (${problem.request_id})` : said);
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
    const detail = m.api_check_connection({ what: navigator.onLine ? m.api_unreachable() : m.api_offline() });
    throw new Refusal({ status: 0, code: 'unreachable', detail });
  }
  const refusal = await refused({ ...(typeof error === 'object' ? error : {}), status: response.status });
  if (refusal.code === 'unauthenticated') signedOut();
  throw refusal;
}

/** A failure as a sentence. The browser's own words, as of a bug in the panel, are for its console. */
export function words(error: unknown): string {
  if (error instanceof Refusal || (error instanceof Error && error.constructor === Error)) return error.message;
  console.error(error);
  return m.api_panel_failed();
}
