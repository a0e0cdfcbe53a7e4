/*
 * Runs one kernel (raw machine code, Windows x64 convention) natively:
 *
 *     native-kernels FILE RCX RDX R8 R9
 *
 * runs it once for each line of its standard input, and prints the seconds that it took. An argument that begins with
 * '@' is an offset in four megabytes of data.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

typedef uint64_t (__attribute__((ms_abi)) *kernel_t)(uint64_t, uint64_t, uint64_t, uint64_t);

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 2;
    uint8_t *code = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint8_t *data = mmap(0, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    FILE *f = fopen(argv[1], "rb");
    if (!f || fread(code, 1, 4096, f) == 0)
        return 1;
    uint32_t *table = (uint32_t *)(data + (3 << 20));
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = c & 1 ? (c >> 1) ^ 0xEDB88320u : c >> 1;
        table[i] = c;
    }
    for (uint32_t i = 0; i < 1 << 20; i++)
        data[i] = (uint8_t)((uint32_t)(i * 2654435761u) >> 24);
    float *floats = (float *)(data + (1 << 20));
    for (uint32_t i = 0; i < 1 << 18; i++)
        floats[i] = (i % 1000) * 0.5f;
    uint64_t args[4];
    for (int i = 0; i < 4; i++) {
        const char *text = argv[2 + i];
        args[i] = *text == '@' ? (uint64_t)(data + strtoull(text + 1, 0, 0)) : strtoull(text, 0, 0);
    }
    for (char line[16]; fgets(line, sizeof line, stdin);) {
        double start = now();
        ((kernel_t)code)(args[0], args[1], args[2], args[3]);
        printf("%.9f\n", now() - start);
        fflush(stdout);
    }
    return 0;
}
