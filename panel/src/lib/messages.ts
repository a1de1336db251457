// The sentences of the panel in the language that app.html chose. A build gives each visitor the files of one language (locales.js):
// import `m` from here, and call `m.key()` by its name.
import * as m from './paraglide/messages/_index.js';
import { overwriteGetLocale } from './paraglide/runtime.js';
import { locale } from './locale';

overwriteGetLocale(() => locale);
export { m };
