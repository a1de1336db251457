// Which images containers may use, as an administrator sets it and an owner meets it, and the switches over a template's document.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { launch, signIn } from './browser.mjs';
import { egg, PASSWORD, until, World } from './world.mjs';

const IMAGE = 'registry.example.com/games/trains:2';
let world, browser, admin, lena, id, template;

async function signedIn(name) {
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage();
  await signIn(page, world.base, name, PASSWORD);
  return page;
}

before(async () => {
  world = await World.up();
  browser = await launch();
  const owner = await world.user('lena', 'user');
  ({ template } = await world.ask('POST', '/templates/import', readFileSync(egg(), 'utf8')));
  const limits = { memory_mib: 256, swap_mib: 0, cpu_percent: 0, disk_mib: 512, pids: 64, io_weight: 500 };
  ({ id } = await world.ask('POST', '/containers', {
    name: 'Trains',
    owner_id: owner.id,
    template_id: template.id,
    limits,
    skip_install: true,
    allocation_count: 0
  }));
  admin = await signedIn('admin');
  lena = await signedIn('lena');
});
after(async () => {
  await browser?.close();
  await world?.end();
});

test('an administrator edits the list of allowed images and is told what is wrong with a pattern', { timeout: 60_000 }, async () => {
  await admin.goto(`${world.base}/daemons`);
  const list = admin.getByLabel('Patterns, one per line');
  await list.fill('registry.example.com/games/*\n*/evil');
  await admin.getByLabel(/Let owners choose from this list/).check();
  const save = admin.getByRole('button', { name: 'Save', exact: true });
  await save.click();
  await admin.getByRole('alert').getByText('Write out the registry or owner in “*/evil”').waitFor();
  await list.fill('registry.example.com/games/*');
  await save.click();
  await admin.getByText('Saved. Images are checked at each start.').waitFor();
  const { patterns, for_owners } = await world.ask('GET', '/image-policy');
  assert.deepEqual({ patterns, for_owners }, { patterns: ['registry.example.com/games/*'], for_owners: true });
});

test('the startup page says what is not among the template’s images, and why it is allowed or not', { timeout: 120_000 }, async () => {
  await lena.goto(`${world.base}/containers/${id}/startup`);
  const field = lena.getByLabel('Docker image');
  await lena.getByText('Besides the template’s images, you can use registry.example.com/games/*').waitFor();
  await field.fill(IMAGE);
  await lena.getByText('Not one of the template’s images. It must match registry.example.com/games/*').waitFor();
  await lena.getByRole('button', { name: 'Save changes' }).click();
  await lena.getByText('Not one of the template’s images, but on the list of allowed images.').waitFor();

  const { revision } = await world.ask('GET', '/image-policy');
  await world.ask('PUT', '/image-policy', { patterns: [], for_owners: false, revision });
  await lena.getByText('the container can’t start with it. Choose another image, or ask an administrator to allow this one.').waitFor();
  await lena.getByRole('button', { name: 'Start', exact: true }).click();
  await lena.getByText(`The image ${IMAGE} is neither one of the template’s images nor on the list of allowed images.`).first().waitFor();

  await admin.goto(`${world.base}/containers/${id}/startup`);
  await admin.getByRole('button', { name: 'Allow for this container' }).click();
  await admin.getByText('Not one of the template’s images. admin allowed it for this container.').waitFor();
  await admin.getByLabel('Docker image').fill('debian:12');
  await admin.getByText('Not one of the template’s images. Saving allows it for this container, in your name.').waitFor();
  await admin.getByLabel('Docker image').fill('debian:12:13');
  await admin.getByRole('button', { name: 'Save changes' }).click();
  await admin.getByRole('alert').getByText('Use an image reference such as registry.example.com/owner/name:tag').waitFor();
  assert.equal((await world.ask('GET', `/containers/${id}`)).image, IMAGE);
});

test('a template’s installation is made strict by a switch', { timeout: 60_000 }, async () => {
  await admin.goto(`${world.base}/templates/${template.id}/edit`);
  const strict = admin.getByLabel(/Strict installation/);
  await until('the document is there', async () => await strict.isEnabled());
  assert.equal(await strict.isChecked(), false);
  await strict.check();
  assert.equal(JSON.parse(await admin.getByLabel('Template', { exact: true }).inputValue()).install.strict, true);
  await admin.getByRole('button', { name: 'Save as new version' }).click();
  await admin.getByText('Saved as version 2.').waitFor();
  const document = await world.ask('GET', `/templates/${template.id}/export?format=raptor`);
  assert.equal(document.install.strict, true);
  await admin.goto(`${world.base}/templates/${template.id}/edit`);
  await until('the switch shows it', async () => await strict.isChecked());
  // What is no JSON now has no switch to be moved.
  await admin.getByLabel('Template', { exact: true }).fill('{');
  await until('the switch is off', async () => await strict.isDisabled());
});
