import type { XmppModule } from './module.ts';

/**
 * XEP-0082 timestamps without `Date`: pure arithmetic on the proleptic Gregorian calendar, so that a handler stays a
 * function of its arguments. All times are milliseconds since the epoch, in UTC.
 */

const DAY_MS = 86_400_000;
const DATE_TIME = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/;

/**
 * Days from 1970-01-01 to a civil date. Years are counted from March, so that the leap day is a year's last and the
 * lengths of the months before it follow one formula; 400 years are one period of 146,097 days.
 */
function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return (
    era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719_468
  );
}

function civilFromDays(days: number): { year: number; month: number; day: number } {
  const z = days + 719_468;
  const era = Math.floor(z / 146_097);
  const dayOfEra = z - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const fromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * fromMarch + 2) / 5) + 1,
  };
}

function pad(value: number, width: number): string {
  return String(value).padStart(width, '0');
}

/** DateTime profile in UTC with milliseconds, `2010-07-10T23:08:25.000Z`. `ms` since the epoch, years 0 to 9999. */
export function formatStamp(ms: number): string {
  const whole = Math.floor(ms);
  const days = Math.floor(whole / DAY_MS);
  const rest = whole - days * DAY_MS;
  const { year, month, day } = civilFromDays(days);
  const seconds = Math.floor(rest / 1000);
  return (
    `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}T${pad(Math.floor(seconds / 3600), 2)}:` +
    `${pad(Math.floor(seconds / 60) % 60, 2)}:${pad(seconds % 60, 2)}.${pad(rest % 1000, 3)}Z`
  );
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/**
 * Milliseconds since the epoch of a DateTime (XEP-0082 section 3.2), or undefined when it is not one. Fractions finer
 * than a millisecond are cut; a leap second (`:60`) counts as the next second.
 */
export function parseStamp(text: string): number | undefined {
  const match = DATE_TIME.exec(text);
  if (match === null) return undefined;
  const part = (index: number): number => Number(match[index]);
  const year = part(1);
  const month = part(2);
  const day = part(3);
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return undefined;
  if (part(4) > 23 || part(5) > 59 || part(6) > 60) return undefined;
  const zone = match[8] ?? 'Z';
  const offset = zone === 'Z' ? 0 : Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6));
  if (offset > 14 * 60) return undefined;
  const fraction = Number((match[7] ?? '').slice(0, 3).padEnd(3, '0'));
  const local = daysFromCivil(year, month, day) * DAY_MS + ((part(4) * 60 + part(5)) * 60 + part(6)) * 1000 + fraction;
  return local - (zone.startsWith('-') ? -offset : offset) * 60_000;
}

export const dateTimeModule: XmppModule = {
  spec: {
    id: 'XEP-0082',
    title: 'XMPP Date and Time Profiles',
    version: '1.1.1',
    url: 'https://xmpp.org/extensions/xep-0082.html',
    note: 'DateTime profile; written in UTC with milliseconds',
  },
};
