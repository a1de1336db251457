// The categories of the catalogue in the language of the panel. One of another catalogue is called as that one says.
import type { CatalogueCategory } from '$lib/api';
import { locale } from '$lib/locale';
import { m } from '$lib/messages';

const NAMES: Record<string, string> = {
  runtimes: m.catalogue_in_runtimes(),
  'minecraft-java': m.catalogue_in_minecraft_java(),
  'minecraft-modpacks': m.catalogue_in_minecraft_modpacks(),
  'minecraft-bedrock': m.catalogue_in_minecraft_bedrock(),
  'minecraft-proxies': m.catalogue_in_minecraft_proxies(),
  survival: m.catalogue_in_survival(),
  sandbox: m.catalogue_in_sandbox(),
  adventure: m.catalogue_in_adventure(),
  shooters: m.catalogue_in_shooters(),
  racing: m.catalogue_in_racing(),
  gta: m.catalogue_in_gta(),
  strategy: m.catalogue_in_strategy(),
  party: m.catalogue_in_party(),
  voice: m.catalogue_in_voice(),
  bots: m.catalogue_in_bots(),
  databases: m.catalogue_in_databases(),
  software: m.catalogue_in_software()
};

/** A category with its name as people read it. English is what the catalogue itself is written in. */
export const named = (category: CatalogueCategory): CatalogueCategory => ({
  ...category,
  name: locale !== 'en' && Object.hasOwn(NAMES, category.id) ? (NAMES[category.id] ?? category.name) : category.name
});
