/* rocks_files.c - CURRENT, MANIFEST and logs looked at before RocksDB opens them (rocks_files.h). */
#include "rocks_files.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "rocks_log.h"
#include "rt/file.h"

enum { FILE_NAME_MAX = 64, FOLDER_PATH_MAX = 4096 };

struct folder {
    const char *dir;
    struct rocks_log *log; /* write-ahead logs, ascending */
    size_t nlogs, cap;
    bool current, tables;
};

/* ---- what there is ---- */

static void add_log(struct folder *f, uint64_t number)
{
    if (f->nlogs == f->cap) {
        f->cap = f->cap ? 2 * f->cap : 16;
        f->log = xrealloc(f->log, f->cap * sizeof *f->log);
    }
    f->log[f->nlogs++] = (struct rocks_log){.kind = ROCKS_WAL, .number = (uint32_t)number};
}

static int take_name(void *arg, const char *name)
{
    struct folder *f = arg;
    struct slice s = sl_cstr(name);
    uint64_t number;
    if (sl_eq(s, SL("CURRENT"))) f->current = true;
    else if (sl_ends(s, SL(".sst"))) f->tables = true;
    else if (sl_ends(s, SL(".log")) && num_u64(sl_sub(s, 0, s.n - 4), UINT32_MAX, &number))
        add_log(f, number);
    return 0;
}

static int by_number(const void *a, const void *b)
{
    const struct rocks_log *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* ---- walking ---- */

static int walk_file(struct file *f, struct rocks_log *w)
{
    char *block = xmalloc(ROCKS_BLOCK);
    int64_t got;
    while ((got = file_pread(f, block, ROCKS_BLOCK, w->size)) > 0) {
        rocks_log_block(w, sl(block, (size_t)got));
        if (got < ROCKS_BLOCK) break;
    }
    free(block);
    return got < 0 ? (int)got : 0;
}

static int walk_name(const struct folder *f, const char *name, struct rocks_log *w)
{
    char path[FOLDER_PATH_MAX];
    struct file *file;
    if ((size_t)snprintf(path, sizeof path, "%s/%s", f->dir, name) >= sizeof path)
        return err_set(ERR_TOO_LONG, "the path of the index is too long");
    int e = file_open(&file, path, FILE_READ);
    if (e) return e;
    e = walk_file(file, w);
    file_close(&file);
    return e;
}

/* The newest first: when another process writes at this moment, no log ends before one that was
 * read already begins. */
static int walk_logs(struct folder *f, uint64_t needed)
{
    int e = 0;
    for (size_t i = f->nlogs; e == 0 && i-- > 0 && f->log[i].number >= needed;) {
        char name[FILE_NAME_MAX];
        snprintf(name, sizeof name, "%06u.log", f->log[i].number);
        e = walk_name(f, name, &f->log[i]);
        if (e == ERR_NOT_FOUND) e = 0; /* that process has no need of it any more */
    }
    return e;
}

/* ---- the verdict ---- */

static void describe(const struct folder *f, size_t bad, uint64_t at, struct rocks_damage *out)
{
    unsigned long long groups = f->log[bad].lost_groups, rows = f->log[bad].lost_rows;
    for (size_t i = bad + 1; i < f->nlogs; i++) {
        groups += f->log[i].groups + f->log[i].lost_groups;
        rows += f->log[i].next - f->log[i].first + f->log[i].lost_rows;
    }
    snprintf(out->what, sizeof out->what,
             "%06u.log at byte %llu (%llu whole groups with %llu rows stand behind it)", f->log[bad].number,
             (unsigned long long)at, groups, rows);
}

/* Each log goes on with the numbers where the one before ended. */
static bool find_damage(const struct folder *f, uint64_t needed, struct rocks_damage *out)
{
    const struct rocks_log *before = NULL;
    for (size_t i = 0; i < f->nlogs; i++) {
        const struct rocks_log *w = &f->log[i];
        if (w->number < needed) continue;
        if (before && w->groups && w->first != before->next) {
            size_t k = (size_t)(before - f->log);
            describe(f, k, before->whole, out);
            return true;
        }
        if (w->damaged) {
            describe(f, i, w->broken_at, out);
            return true;
        }
        if (w->groups) before = w;
    }
    return false;
}

/* ---- CURRENT and MANIFEST ---- */

static int read_current(const struct folder *f, char name[FILE_NAME_MAX])
{
    const struct slice prefix = SL("MANIFEST-");
    char path[FOLDER_PATH_MAX];
    struct buf b = BUF_INIT;
    if ((size_t)snprintf(path, sizeof path, "%s/CURRENT", f->dir) >= sizeof path)
        return err_set(ERR_TOO_LONG, "the path of the index is too long");
    int e = path_read(path, FILE_NAME_MAX - 1, &b);
    struct slice s = buf_slice(&b);
    uint64_t number;
    bool good = e == 0 && s.n < FILE_NAME_MAX && sl_starts(s, prefix) && sl_ends(s, SL("\n")) &&
                num_u64(sl_sub(s, prefix.n, s.n - 1), UINT64_MAX, &number);
    if (good) snprintf(name, FILE_NAME_MAX, "%.*s", (int)(s.n - 1), s.p);
    buf_free(&b);
    if (e && e != ERR_TOO_LONG) return e;
    return good ? 0
                : err_set(ERR_CORRUPT,
                          "%s/CURRENT is damaged: it must hold the name of a MANIFEST in %s and a "
                          "line feed; write that, or put a backup in the index's place",
                          f->dir, f->dir);
}

static int look_at_manifest(const struct folder *f)
{
    char name[FILE_NAME_MAX];
    struct rocks_log w = {.kind = ROCKS_MANIFEST};
    int e = read_current(f, name);
    if (e == 0) e = walk_name(f, name, &w);
    if (e == ERR_NOT_FOUND)
        return err_set(ERR_CORRUPT,
                       "%s/CURRENT names %s, which is not there: one of them is damaged; put a backup "
                       "in the index's place",
                       f->dir, name);
    if (e) return e;
    if (w.damaged || !w.groups)
        return err_set(ERR_CORRUPT,
                       "%s/%s, the list of the index's files, is damaged at byte %llu; put a backup in "
                       "the index's place",
                       f->dir, name, (unsigned long long)w.broken_at);
    if (w.broken)
        log_warn(
            "kv",
            "%s/%s ends at byte %llu in something unfinished: its last entry was not made, or is damaged",
            f->dir, name, (unsigned long long)w.broken_at);
    return 0;
}

static int look(struct folder *f, uint64_t needed, struct rocks_damage *out)
{
    int e = path_list(f->dir, take_name, f);
    if (e == ERR_NOT_FOUND) return 0;
    if (e) return e;
    if (!f->current)
        return f->tables || f->nlogs ? err_set(ERR_CORRUPT,
                                               "%s holds an index, but its file CURRENT is missing; "
                                               "put a backup in the index's place",
                                               f->dir)
                                     : 0;
    if (f->nlogs) qsort(f->log, f->nlogs, sizeof *f->log, by_number);
    e = look_at_manifest(f);
    if (e == 0) e = walk_logs(f, needed);
    return e ? e : find_damage(f, needed, out);
}

int rocks_files_look(const char *dir, uint64_t needed, struct rocks_damage *out)
{
    struct folder f = {.dir = dir};
    int e = look(&f, needed, out);
    free(f.log);
    return e;
}
