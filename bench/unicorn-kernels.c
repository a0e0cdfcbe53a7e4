/*
 * Runs one kernel (raw machine code, Windows x64 convention) in Unicorn:
 *
 *     unicorn-kernels FILE RCX RDX R8 R9
 *
 * runs it once for each line of its standard input, and prints the seconds that it took. An argument that begins with '@' is an offset in four megabytes of data,
 * laid out as native-kernels.c lays them out. Each megabyte has an address of its own, so far from the others that
 * Unicorn's direct-mapped TLB does not alias them: its best case.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unicorn/unicorn.h>

#define CODE 0x140000000ull
#define RETURN 0x150000000ull
#define STACK 0x7ff000000ull
#define STACK_BYTES 0x100000ull
#define DATA 0x200000000ull
#define DATA_STRIDE 0x4054000ull
#define MEGABYTE (1 << 20)

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void must(uc_err error, const char *what)
{
    if (error == UC_ERR_OK)
        return;
    fprintf(stderr, "%s: %s\n", what, uc_strerror(error));
    exit(1);
}

static uint8_t data[4 * MEGABYTE];

static void fill(void)
{
    uint32_t *table = (uint32_t *)(data + 3 * MEGABYTE);
    float *floats = (float *)(data + MEGABYTE);
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = c & 1 ? (c >> 1) ^ 0xEDB88320u : c >> 1;
        table[i] = c;
    }
    for (uint32_t i = 0; i < MEGABYTE; i++)
        data[i] = (uint8_t)((uint32_t)(i * 2654435761u) >> 24);
    for (uint32_t i = 0; i < MEGABYTE / 4; i++)
        floats[i] = (i % 1000) * 0.5f;
}

static uint64_t argument(const char *text)
{
    if (*text != '@')
        return strtoull(text, 0, 0);
    uint64_t offset = strtoull(text + 1, 0, 0);
    return DATA + (offset / MEGABYTE) * DATA_STRIDE + offset % MEGABYTE;
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 2;
    uint8_t code[4096] = {0};
    FILE *f = fopen(argv[1], "rb");
    if (!f || fread(code, 1, sizeof code, f) == 0)
        return 1;
    fill();

    uc_engine *uc;
    must(uc_open(UC_ARCH_X86, UC_MODE_64, &uc), "open");
    must(uc_mem_map(uc, CODE, 0x1000, UC_PROT_ALL), "map code");
    must(uc_mem_map(uc, RETURN, 0x1000, UC_PROT_ALL), "map return");
    must(uc_mem_map(uc, STACK, STACK_BYTES, UC_PROT_READ | UC_PROT_WRITE), "map stack");
    must(uc_mem_write(uc, CODE, code, sizeof code), "write code");
    for (int i = 0; i < 4; i++) {
        must(uc_mem_map(uc, DATA + i * DATA_STRIDE, MEGABYTE, UC_PROT_READ | UC_PROT_WRITE), "map data");
        must(uc_mem_write(uc, DATA + i * DATA_STRIDE, data + i * MEGABYTE, MEGABYTE), "write data");
    }
    const int registers[] = {UC_X86_REG_RCX, UC_X86_REG_RDX, UC_X86_REG_R8, UC_X86_REG_R9};
    for (char line[16]; fgets(line, sizeof line, stdin);) {
        uint64_t rsp = STACK + STACK_BYTES - 0x1008, back = RETURN;
        for (int i = 0; i < 4; i++) {
            uint64_t value = argument(argv[2 + i]);
            must(uc_reg_write(uc, registers[i], &value), "argument");
        }
        must(uc_mem_write(uc, rsp, &back, sizeof back), "return address");
        must(uc_reg_write(uc, UC_X86_REG_RSP, &rsp), "rsp");
        double start = now();
        must(uc_emu_start(uc, CODE, RETURN, 0, 0), "run");
        printf("%.9f\n", now() - start);
        fflush(stdout);
    }
    uc_close(uc);
    return 0;
}
