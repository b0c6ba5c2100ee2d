import type { Dashboard } from '../detection.ts';
import { OPERATIONS } from './operations.ts';
import { OVERVIEW } from './overview.ts';

export const DASHBOARDS: readonly Dashboard[] = [
  {
    id: 'overview',
    uuid: '677149fd-1897-4c4f-8a2d-9742a6579a95',
    title: 'Mosaic identity verification: overview',
    tells: 'How applicants come through, what is rejected and denied, and what fails.',
    panels: OVERVIEW,
  },
  {
    id: 'operations',
    uuid: '8ef03d0b-911f-456d-bac7-75f3368c8742',
    title: 'Mosaic identity verification: the feed',
    tells: 'Whether the events that the other dashboard shows are all of them, and fresh.',
    panels: OPERATIONS,
  },
];
