/** The codes and keys that several detections share. */
import type { Field, Filter } from '../detection.ts';

export const code = (...is: string[]): Filter => ({ field: 'event.code', is });
export const starting = (...starts: string[]): Filter => ({ field: 'event.code', starts });

export const SESSION: Field = 'transmit_security.idv.session_id';
export const REJECTED: Filter = code('verification_status_updated.rejected');
export const SUCCESS: Filter = code('verification_status_updated.success');
export const DENIED: Filter = code('deny_by_restriction_criterion');
/** Not session_created: that is what a server of the operator asks for, and it may carry that server's address. */
export const STARTED: Filter = code('session_started');
/** Over the API, by servers of the operator: what they carry of address and user agent need not be the applicant's. */
export const BY_API: Filter = code('session_created', 'session_deleted');
/** The hand-off to a phone: another address and another browser are then as they should be. */
export const HANDED_OFF: Filter = code('page_loaded.qr');
