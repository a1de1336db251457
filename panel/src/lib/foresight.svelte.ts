// What an accepted action will make of a container, shown until the container itself tells.
import { SvelteMap } from 'svelte/reactivity';
import type { ContainerSummary, Phase } from './api';

interface Guess {
  phase: Phase;
  /** The phase that it follows began then: with another one the guess is over. */
  since: string;
  timer: ReturnType<typeof setTimeout>;
}

/** A guess that nothing confirms is dropped. */
const PATIENCE = 8_000;
const guesses = new SvelteMap<string, Guess>();

export function forget(id: string) {
  clearTimeout(guesses.get(id)?.timer);
  guesses.delete(id);
}

export function expect({ id, live }: ContainerSummary, phase: Phase) {
  forget(id);
  guesses.set(id, { phase, since: live.since, timer: setTimeout(() => forget(id), PATIENCE) });
}

/** The container as it is about to be. */
export function foreseen<T extends ContainerSummary>(container: T): T {
  const guess = guesses.get(container.id);
  if (!guess || guess.since !== container.live.since) return container;
  return { ...container, live: { ...container.live, phase: guess.phase } };
}
