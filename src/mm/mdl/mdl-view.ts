/** An MDL's header as a view, and the page count that its fields stand for. */
import { PAGE_SIZE } from '../../wdm/address.ts';
import type { MDL } from '../../wdm/layouts.ts';
import type { ViewOf } from '../../wdm/struct.ts';

export type MdlView = ViewOf<typeof MDL>;

/** ADDRESS_AND_SIZE_TO_SPAN_PAGES of an MDL: at most 2^21, whatever a driver has written into the fields. */
export function mdlPages(view: MdlView): number {
  return Math.ceil((view.ByteOffset + view.ByteCount) / PAGE_SIZE);
}
