// The generated client, and what it answers when it is refused.
import { client } from './generated/client.gen';
import { getSettings, type Problem } from './generated';

export * from './generated';

/** Milliseconds after which a request is made again where the network failed. */
const PAUSES = [200, 1_000];

/** For what may be done twice: it is asked again where the network failed. */
export async function again(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  const request = new Request(input, init);
  for (const pause of PAUSES) {
    try {
      return await fetch(request.clone());
    } catch (error) {
      if (request.signal.aborted) throw error;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
  return fetch(request);
}

async function send(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  const request = new Request(input, init);
  return request.method === 'GET' ? again(request) : fetch(request);
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

/** A refusal in the API's words. */
export class Refusal extends Error {
  status: number;
  code: string;
  field: string | null;

  constructor(problem: Partial<Problem> & { status: number }) {
    super(problem.detail ?? 'The server did not answer as expected.');
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
  const { data, error, response } = await answer.catch(() => ({ data: undefined, error: undefined, response: undefined }));
  if (response?.ok) return data as T;
  if (!response) {
    throw new Refusal({ status: 0, code: 'unreachable', detail: 'Raptor does not answer. Check your connection.' });
  }
  const refusal = new Refusal({ ...(typeof error === 'object' ? error : {}), status: response.status });
  if (refusal.code === 'unauthenticated') signedOut();
  throw refusal;
}

/** A failure as a sentence. */
export const words = (error: unknown): string =>
  error instanceof Error ? error.message : 'Something went wrong.';

/** The sentence for a form's field, if the failure is about it. */
export const about = (error: unknown, field: string): string | null =>
  error instanceof Refusal && error.field === field ? error.message : null;

/** The sentence for a form as a whole: what none of these fields, or parts of them, shows. */
export function overall(error: unknown, ...fields: string[]): string | null {
  const field = error instanceof Refusal ? error.field : null;
  const shown = field !== null && fields.some((name) => field === name || field.startsWith(`${name}.`));
  return error && !shown ? words(error) : null;
}
