export const CLANG_VERSION: string;
export const DRIVERS: readonly string[];
export function build(target: (name: string) => string): void;
export function prebuilt(name: string): string;
export function clangVersion(): string | undefined;
