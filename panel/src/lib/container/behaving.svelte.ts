// The form for when a container is restarted, whom it can talk to, and what it sees of its host.
import { ask, updateContainerBehaviour, type Behaviour } from '$lib/api';
import { Form } from '$lib/form.svelte';
import type { Opened } from '$lib/live/opened.svelte';

/** `Behaviour` as its fields show it. */
const shown = ({ policy, timezone, network, outgoing_ip, mounts, labels, console_encoding }: Behaviour) => ({
  policy: { ...policy },
  timezone: timezone ?? '',
  network,
  outgoing_ip: outgoing_ip ?? '',
  mounts: mounts ?? [],
  /** A line for each: "team=blue". */
  labels: Object.entries(labels ?? {})
    .map(([name, value]) => `${name}=${value}`)
    .join('\n'),
  console_encoding: console_encoding ?? 'UTF-8'
});

type Shown = ReturnType<typeof shown>;

function stored(values: Shown): Behaviour {
  const pairs = values.labels.split('\n').filter((line) => line.trim());
  const labels = pairs.map((line): [string, string] => {
    const [name = '', ...rest] = line.split('=');
    return [name.trim(), rest.join('=').trim()];
  });
  return {
    ...values,
    timezone: values.timezone.trim() || null,
    outgoing_ip: values.outgoing_ip.trim() || null,
    labels: Object.fromEntries(labels),
    console_encoding: values.console_encoding === 'UTF-8' ? null : values.console_encoding
  };
}

/** Made while the page of the container is. */
export const behaviourForm = (opened: Opened) =>
  new Form<Shown>(
    () => (opened.container?.behaviour ? shown(opened.container.behaviour) : null),
    async (values) => {
      opened.container = await ask(updateContainerBehaviour({ path: { id: opened.id }, body: stored(values) }));
    }
  );
export type BehaviourForm = ReturnType<typeof behaviourForm>;
