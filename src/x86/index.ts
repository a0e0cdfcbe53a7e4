/** The processor, as the rooms above use it. */
export type { PageAccess, PageObserver, Watch } from '../hw/watch.ts';
export type { IcedModule } from './decode.ts';
export type { Exit, InstructionObserver } from './exit.ts';
export type { Ports } from './helper.ts';
export { Processor, type ProcessorOptions } from './processor.ts';
export { GPR, RegisterFile } from './registers.ts';
