/** Countries and networks for the addresses of the documentation blocks. It stands in for GeoIP, which knows none of them. */
import { BlockList, isIPv6 } from 'node:net';

export interface Place {
  readonly geo: { readonly country_iso_code: string; readonly country_name: string; readonly city_name: string };
  readonly as: { readonly number: number; readonly organization: { readonly name: string } };
}

/** Autonomous systems are those set aside for documentation (RFC 5398). */
const TABLE = `
192.0.2.0/25          | DE | Germany        | Hamburg    | 64496 | Northwind Access
192.0.2.128/25        | DE | Germany        | Munich     | 64497 | Alpine Mobile
198.51.100.0/25       | GB | United Kingdom | Leeds      | 64498 | Harbour Broadband
198.51.100.128/25     | GB | United Kingdom | Bristol    | 64499 | Harbour Mobile
203.0.113.0/25        | US | United States  | Denver     | 64500 | Prairie Hosting
203.0.113.128/25      | US | United States  | Portland   | 64501 | Cascade Cable
2001:db8::/33         | FR | France         | Lyon       | 65536 | Rhone Telecom
2001:db8:8000::/33    | NL | Netherlands    | Utrecht    | 65537 | Polder Fibre
`;

const PLACES = TABLE.trim()
  .split('\n')
  .map((line) => {
    const [block = '', iso = '', country = '', city = '', number = '', name = ''] = line
      .split('|')
      .map((cell) => cell.trim());
    const place: Place = {
      geo: { country_iso_code: iso, country_name: country, city_name: city },
      as: { number: Number(number), organization: { name } },
    };
    return { addresses: blockOf(block), place };
  });

function blockOf(text: string): BlockList {
  const [address = '', length] = text.split('/');
  const list = new BlockList();
  list.addSubnet(address, Number(length), isIPv6(address) ? 'ipv6' : 'ipv4');
  return list;
}

export function placeOf(address: string): Place | undefined {
  const family = isIPv6(address) ? 'ipv6' : 'ipv4';
  return PLACES.find(({ addresses }) => addresses.check(address, family))?.place;
}
