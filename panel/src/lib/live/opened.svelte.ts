// The container whose page is open: what the store says of it, and its live stream.
import { getContext, setContext } from 'svelte';
import { ask, getContainer, Refusal, words, type Container, type ContainerPermission, type ContainerSummary, type Subject } from '../api';
import { calmly, heard, listen } from '../feed';
import type { Source } from './resource.svelte';
import { LiveContainer } from './container.svelte';

const KEY = Symbol('opened container');
/** What else of it changes beside its own record. */
const WIDER: Subject[] = ['allocation', 'access', 'daemon'];

export class Opened {
  container = $state<Container | null>(null);
  failed = $state<string | null>(null);
  gone = $state(false);
  live: LiveContainer;

  constructor(
    public id: string,
    /** What the pages below it go by. */
    private source: () => Source<Container>
  ) {
    this.container = source().value;
    this.live = new LiveContainer(id);
  }

  /** What this person may do with it. */
  can = (permission: ContainerPermission): boolean => this.container?.permissions.includes(permission) ?? false;

  /** The container with the state that the stream has told since. */
  now = $derived.by<ContainerSummary | null>(() => {
    const { container } = this;
    const status = this.live.connected ? this.live.status : null;
    if (!container || !status) return container;
    const { phase, since, problem, fault, config_problems = [], progress, last_exit, hold, crashes, pending } = status;
    const live = {
      phase,
      since,
      problem,
      fault,
      config_problems,
      progress,
      last_exit,
      hold,
      crashes,
      pending,
      known: true,
      stats: this.live.stats
    };
    return { ...container, actions: this.live.actions ?? container.actions, live: { ...container.live, ...live } };
  });

  /** Reads it again. The pages below it are told by its source what this person may do. */
  async load() {
    try {
      const at = heard();
      const value = await ask(getContainer({ path: { id: this.id } }));
      Object.assign(this.source(), { value, heard: at });
      this.container = value;
      this.failed = null;
    } catch (error) {
      this.gone = error instanceof Refusal && error.status === 404;
      this.failed = words(error);
    }
  }

  /** Follows it until the returned function is called. */
  follow(): () => void {
    // What was told meanwhile told nobody.
    if (this.source().heard !== heard()) void this.load();
    this.live.open();
    const reload = calmly(() => this.load(), 500);
    const deaf = listen((kind, news) => {
      const mine = news.id === this.id || (news.subject !== undefined && WIDER.includes(news.subject));
      // Without the stream, the feed's own word of a new state is all there is.
      const live = kind === 'live' && !this.live.connected && (news.ids ?? []).includes(this.id);
      if (kind === 'resync' || live || (kind !== 'live' && mine)) reload();
    });
    return () => {
      deaf();
      this.live.close();
    };
  }
}

export const setOpened = (opened: () => Opened) => setContext(KEY, opened);
export const getOpened = () => getContext<() => Opened>(KEY)();
