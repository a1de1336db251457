// What a field lacks before anything is sent, said below it in the panel's words instead of in the browser's own bubble.

import { m } from '$lib/messages';

export type Field = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;
type Asked = Pick<HTMLInputElement, 'type' | 'min' | 'max' | 'maxLength' | 'minLength' | 'title'> & {
  validity: Partial<ValidityState>;
  validationMessage: string;
};

/** Why this can't be sent as it is. */
export function complaint({ validity, type, min, max, maxLength, minLength, title, validationMessage }: Asked): string {
  const number = type === 'number';
  if (
    validity.badInput ||
    validity.stepMismatch ||
    validity.rangeOverflow ||
    validity.rangeUnderflow ||
    (validity.valueMissing && number)
  ) {
    if (min && max) return number ? m.api_number_between({ min, max }) : m.api_value_between({ min, max });
    if (min) return number ? m.api_number_from({ min }) : m.api_value_from({ min });
    if (max) return number ? m.api_number_to({ max }) : m.api_value_to({ max });
    return number ? m.api_number() : m.api_value();
  }
  if (validity.valueMissing)
    return type.startsWith('select') || type === 'radio' ? m.api_choose() : type === 'checkbox' ? m.api_tick() : m.api_required();
  if (validity.typeMismatch && type === 'email') return m.api_email();
  if (validity.typeMismatch && type === 'url') return m.api_url();
  if (validity.tooLong) return m.api_too_long({ count: maxLength });
  if (validity.tooShort) return m.api_too_short({ count: minLength });
  return title || validationMessage;
}

const said = new WeakMap<Field, HTMLElement>();
let last = 0;

function forget(field: Field) {
  said.get(field)?.remove();
  said.delete(field);
  field.removeAttribute('aria-invalid');
  field.removeAttribute('aria-errormessage');
}

/** For the `invalid` event of any field. */
export function invalid(event: Event) {
  const field = event.target as Field;
  event.preventDefault();
  // In something folded it could not have the focus.
  for (let fold = field.closest('details'); fold; fold = fold.parentElement?.closest('details') ?? null) fold.open = true;
  forget(field);
  const words = document.createElement('p');
  words.className = 'wrong';
  words.role = 'alert';
  words.id = `complaint-${++last}`;
  words.textContent = complaint(field as Asked);
  // Below what lies over the field, such as its unit.
  (field.parentElement?.matches('.relative, label') ? field.parentElement : field).after(words);
  said.set(field, words);
  field.setAttribute('aria-invalid', 'true');
  field.setAttribute('aria-errormessage', words.id);
  field.addEventListener('input', () => forget(field), { once: true });
  field.addEventListener('change', () => forget(field), { once: true });
  const first = [...(field.form?.elements ?? [])].find(
    (one) => 'validity' in one && one.matches('input, select, textarea') && !(one as Field).validity.valid
  );
  if (first !== field) return;
  field.focus({ preventScroll: true });
  // With its label, and not below the header that stays.
  field.scrollIntoView({ block: 'center' });
}
