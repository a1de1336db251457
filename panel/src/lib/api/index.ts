// The generated client, and what it answers when it is refused.
import { client } from './generated/client.gen';
import type { Problem } from './generated';

export * from './generated';

client.setConfig({ baseUrl: '', credentials: 'same-origin', headers: { 'X-Raptor-CSRF': '1' } });

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

/** What the API answers, or a Refusal. */
export async function ask<T>(answer: Answer<T>): Promise<T> {
  const { data, error, response } = await answer.catch(() => {
    throw new Refusal({ status: 0, code: 'unreachable', detail: 'Raptor does not answer. Check your connection.' });
  });
  if (response?.ok) return data as T;
  throw new Refusal({ ...(typeof error === 'object' ? error : {}), status: response?.status ?? 0 });
}

/** A failure as a sentence. */
export const words = (error: unknown): string =>
  error instanceof Error ? error.message : 'Something went wrong.';

/** The sentence for a form's field, if the failure is about it. */
export const about = (error: unknown, field: string): string | null =>
  error instanceof Refusal && error.field === field ? error.message : null;
