/* fuzz_main.c - runs a fuzz target over its seed corpus, in the ordinary tests:
 *     build/fuzz/<x> tests/corpus/<x>      every file, each cut short and with each of some bytes changed too
 *     build/fuzz/<x> -8 tests/corpus/<x>   with 8 of these variants instead of 64, for whole sessions
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "arena.h"
#include "log.h"
#include "slice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SEED_MAX = 1 << 20 };

static size_t variants = 64;

static size_t read_seed(const char *path, uint8_t *out)
{
    struct stat st;
    if (stat(path, &st) || !S_ISREG(st.st_mode)) return SIZE_MAX;
    FILE *f = fopen(path, "rb");
    if (!f) return SIZE_MAX;
    size_t n = fread(out, 1, SEED_MAX, f);
    fclose(f);
    return n;
}

/* The target gets its own copy, so that a read past the end is seen. */
static void run_once(const uint8_t *bytes, size_t n)
{
    uint8_t *copy = xmalloc(n);
    if (n) memcpy(copy, bytes, n);
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
}

static void run_seed(uint8_t *seed, size_t n)
{
    run_once(seed, n);
    for (size_t i = 0; i < variants && n; i++) {
        size_t at = i * n / variants;
        uint8_t kept = seed[at];
        run_once(seed, at);
        seed[at] ^= (uint8_t)(1u << i % 8);
        run_once(seed, n);
        seed[at] = kept;
    }
}

int main(int argc, char **argv)
{
    int files = 0;
    uint8_t *seed = xmalloc(SEED_MAX);
    log_set_level(LOG_ERROR + 1);
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-') variants = strtoul(argv[i] + 1, NULL, 10);
        DIR *dir = opendir(argv[i]);
        struct dirent *e;
        char path[4096];
        while (dir && (e = readdir(dir))) {
            snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
            size_t n = read_seed(path, seed);
            if (n == SIZE_MAX) continue;
            run_seed(seed, n);
            files++;
        }
        if (dir) closedir(dir);
    }
    free(seed);
    printf("%d passed, %d failed\n", files > 0, files == 0);
    return files == 0;
}
