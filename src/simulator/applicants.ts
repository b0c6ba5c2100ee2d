import type { Random } from './random.ts';

/** What the SDK and the browser tell of an applicant's device. */
export interface Device {
  readonly userAgent: string;
  readonly platform: string;
  readonly sdkVersion: string;
  readonly osVersion: string;
  readonly deviceModel: string;
  readonly browser: string;
}

const CHROME = 'AppleWebKit/537.36 (KHTML, like Gecko) Chrome/';

const PHONES: readonly [Device, ...Device[]] = [
  phone(`(Linux; Android 14; Pixel 8) ${CHROME}129.0.0.0 Mobile Safari/537.36`, '14', 'Pixel 8', 'Chrome'),
  phone(`(Linux; Android 13; SM-G991B) ${CHROME}128.0.0.0 Mobile Safari/537.36`, '13', 'SM-G991B', 'Chrome'),
  phone(
    `(Linux; Android 14; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/26.0 Chrome/122.0.0.0 Mobile Safari/537.36`,
    '14',
    'SM-S921B',
    'Samsung Internet',
  ),
  phone(iphone('17_6', '17.6'), '17.6', 'iPhone', 'Mobile Safari'),
  phone(iphone('18_1', '18.1'), '18.1', 'iPhone', 'Mobile Safari'),
  native('okhttp/4.12.0', 'android-sdk', '14', 'moto g54'),
  native('NorthwindBank/5.2 CFNetwork/1496.0.7 Darwin/23.5.0', 'ios-sdk', '17.5', 'iPhone15,3'),
];

const DESKTOPS: readonly [Device, ...Device[]] = [
  desktop(`(Windows NT 10.0; Win64; x64) ${CHROME}129.0.0.0 Safari/537.36`, '10', 'Chrome'),
  desktop(`(Windows NT 10.0; Win64; x64) ${CHROME}128.0.0.0 Safari/537.36 Edg/128.0.0.0`, '10', 'Edge'),
  desktop('(X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0', '', 'Firefox'),
  desktop(
    '(Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Safari/605.1.15',
    '10.15.7',
    'Safari',
  ),
];

/** A browser with the SDK in it. */
export function phone(agent: string, osVersion: string, deviceModel: string, browser: string): Device {
  return {
    userAgent: `Mozilla/5.0 ${agent}`,
    platform: 'web-sdk',
    sdkVersion: '1.3.37',
    osVersion,
    deviceModel,
    browser,
  };
}

function iphone(system: string, version: string): string {
  return `(iPhone; CPU iPhone OS ${system} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/${version} Mobile/15E148 Safari/604.1`;
}

function native(userAgent: string, platform: string, osVersion: string, deviceModel: string): Device {
  return { userAgent, platform, sdkVersion: '2.1.0', osVersion, deviceModel, browser: '' };
}

function desktop(agent: string, osVersion: string, browser: string): Device {
  const userAgent = `Mozilla/5.0 ${agent}`;
  return { userAgent, platform: 'web-sdk', sdkVersion: '1.3.37', osVersion, deviceModel: '', browser };
}

export function newPhone(random: Random): Device {
  return random.pick(PHONES);
}

export function newDevice(random: Random): Device {
  return random.chance(0.7) ? random.pick(PHONES) : random.pick(DESKTOPS);
}

/** A script that claims to be a phone: what the SDK says and what the browser says disagree. */
export function forgedDevice(random: Random): Device {
  const userAgent = random.pick(['python-requests/2.32.3', DESKTOPS[0].userAgent]);
  return { ...random.pick(PHONES), userAgent };
}

/** Only addresses set aside for documentation: RFC 5737 and RFC 3849. */
export function newAddress(random: Random): string {
  if (random.chance(0.25)) return `2001:db8:${hex(random)}:${hex(random)}::${hex(random)}`;
  return `${random.pick(['192.0.2', '198.51.100', '203.0.113'])}.${random.between(1, 254)}`;
}

function hex(random: Random): string {
  return random.between(1, 0xffff).toString(16);
}

/** The few addresses that attempts with forged papers keep coming from. */
export function hotAddress(random: Random): string {
  return random.pick(['203.0.113.66', '198.51.100.200', '2001:db8:bad::66']);
}
