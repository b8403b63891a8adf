/* upgrade.c - the mark of who wrote a store, the copy before another program opens it, the way back
 * (upgrade.h). */
#include "upgrade.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/civil.h"
#include "base/log.h"
#include "base/text.h"
#include "rt/file.h"
#include "store/store.h"

#define STRING(x) #x
#define STRING_OF(x) STRING(x)
#define MARK "\nTRAM PROGRAM "

enum { SIGN_MAX = 200 };
static const char sign[] = "store/written-by", before[] = "store/before",
                  before_index[] = "store/before/index", before_bodies[] = "store/before/bodies",
                  before_sign[] = "store/before/written-by", unfinished[] = "store/before.unfinished",
                  loss_note[] = "store/index.loss"; /* kv/loss.h */

/* Stands in the program's file, for program_of_bytes() of the program before; and in written-by. */
static const char self[] =
    MARK TRAM_VERSION " FORMAT " STRING_OF(STORE_FORMAT) " READS " STRING_OF(STORE_FORMAT_OLDEST) "\n";
const struct program this_program = {TRAM_VERSION, STORE_FORMAT, STORE_FORMAT_OLDEST};

/* ---- what a program says of itself ---- */

static bool take_word(struct slice *rest, struct slice *word)
{
    size_t n = 0;
    while (n < rest->n && rest->p[n] > ' ' && rest->p[n] < 0x7f) n++;
    *word = sl_sub(*rest, 0, n);
    *rest = sl_from(*rest, n < rest->n ? n + 1 : n);
    return n > 0;
}

static bool take_number(struct slice *rest, const char *name, uint64_t *out)
{
    struct slice word, number;
    return take_word(rest, &word) && sl_eq(word, sl_cstr(name)) && take_word(rest, &number) &&
           num_u64(number, UINT32_MAX, out);
}

/* VERSION FORMAT n READS n */
static bool parse(struct slice line, struct program *out)
{
    struct slice version;
    *out = (struct program){0};
    if (!take_word(&line, &version) || version.n >= sizeof out->version || version.p[0] < '0' ||
        version.p[0] > '9')
        return false;
    memcpy(out->version, version.p, version.n);
    return take_number(&line, "FORMAT", &out->format) && take_number(&line, "READS", &out->reads);
}

int program_of_bytes(struct slice bytes, struct program *out)
{
    for (size_t at; (at = sl_find(bytes, SL(MARK))) != SL_NONE;) {
        bytes = sl_from(bytes, at + sizeof MARK - 1);
        if (parse(sl_sub(bytes, 0, SIGN_MAX), out)) return 0;
    }
    return err_set(ERR_NOT_FOUND, "it does not say which stores it reads");
}

/* The number at the front, which is taken with the dot behind it. */
static uint64_t next_number(const char **version)
{
    uint64_t n = 0;
    for (; **version >= '0' && **version <= '9'; ++*version)
        if (n < UINT32_MAX) n = n * 10 + (uint64_t)(**version - '0');
    if (**version) ++*version;
    return n;
}

bool program_newer(const struct program *a, const struct program *b)
{
    const char *x = a->version, *y = b->version;
    if (a->format != b->format) return a->format > b->format;
    while (*x || *y) {
        uint64_t n = next_number(&x), m = next_number(&y);
        if (n != m) return n > m;
    }
    return false;
}

static int read_sign(const char *path, struct program *out)
{
    struct buf b = BUF_INIT;
    *out = (struct program){0};
    int e = path_read(path, SIGN_MAX, &b);
    if (!e && program_of_bytes(buf_slice(&b), out))
        e = err_set(ERR_NOT_FOUND, "%s does not name a program", path);
    buf_free(&b);
    return e == ERR_TOO_LONG ? err_set(ERR_NOT_FOUND, "%s is too long", path) : e;
}

int home_written_by(struct program *out) { return read_sign(sign, out); }
int home_sign(void) { return path_write(sign, sl_cstr(self), 0600); }

/* ---- folders of plain files ---- */

struct folder {
    struct arena a;
    const char *from, *to;
};

static const char *below(struct folder *f, const char *dir, const char *name)
{
    return ar_printf(&f->a, "%s/%s", dir, name).p;
}

static int each_file(const char *from, const char *to, int (*fn)(void *folder, const char *name))
{
    struct folder f = {.from = from, .to = to};
    ar_init(&f.a, 0);
    int e = path_list(from, fn, &f);
    ar_free(&f.a);
    return e;
}

static int remove_one(void *folder, const char *name)
{
    struct folder *f = folder;
    return path_unlink(below(f, f->from, name));
}

/* With its files; it has no folders in it. */
static int remove_folder(const char *path)
{
    if (!path_exists(path)) return 0;
    int e = each_file(path, NULL, remove_one);
    return e ? e : rmdir(path) == 0 ? 0 : err_errno(errno, "cannot remove the folder %s", path);
}

/* Its signature first: what is cut off here is no snapshot any more, for anybody to go back to. */
static int remove_snapshot(const char *dir)
{
    struct folder f = {0};
    ar_init(&f.a, 0);
    const char *signature = below(&f, dir, "written-by");
    int e = path_exists(signature) ? path_unlink(signature) : 0;
    if (!e && path_exists(dir)) e = path_sync_dir(dir);
    if (!e) e = remove_folder(below(&f, dir, "index"));
    if (!e) e = remove_folder(below(&f, dir, "bodies"));
    if (!e) e = remove_folder(dir);
    ar_free(&f.a);
    return e;
}

/* Under its name it is whole, whenever the copying is cut off. */
static int link_or_copy(struct folder *f, const char *name, bool link)
{
    const char *from = below(f, f->from, name), *to = below(f, f->to, name);
    int e = link ? path_link(from, to) : ERR_IO;
    if (e == 0 || e == ERR_FULL || e == ERR_EXISTS) return e;
    const char *half = ar_printf(&f->a, "%s.copy", to).p;
    e = path_exists(half) ? path_unlink(half) : 0;
    if (!e) e = path_copy(from, half);
    return e ? e : path_rename(half, to);
}

/* Of the index only tables never change; its own log of words and its lock are nobody's. */
static int take_index_file(void *folder, const char *name)
{
    struct slice s = sl_cstr(name);
    if (sl_eq(s, SL("LOCK")) || sl_starts(s, SL("LOG"))) return 0;
    return link_or_copy(folder, name, sl_ends(s, SL(".sst")));
}

static int take_pack(void *folder, const char *name)
{
    return link_or_copy(folder, name, sl_ends(sl_cstr(name), SL(".pack"))); /* else it is sealed yet */
}

/* ---- the snapshot ---- */

static int fill(const char *dir, const struct program *by)
{
    struct folder f = {0};
    ar_init(&f.a, 0);
    const char *index = below(&f, dir, "index"), *bodies = below(&f, dir, "bodies");
    struct slice says = ar_printf(&f.a, MARK "%s FORMAT %llu READS %llu\n", by->version,
                                  (unsigned long long)by->format, (unsigned long long)by->reads);
    int e = path_mkdir(dir);
    if (!e) e = path_mkdir(index);
    if (!e) e = path_mkdir(bodies);
    if (!e) e = each_file("store/index", index, take_index_file);
    if (!e) e = each_file("store/bodies", bodies, take_pack);
    if (!e) e = path_sync_dir(index);
    if (!e) e = path_sync_dir(bodies);
    if (!e) e = path_write(below(&f, dir, "written-by"), says, 0600);
    if (!e) e = path_sync_dir(dir);
    ar_free(&f.a);
    return e;
}

/* The store is signed while it is still as it was: who dies in between has nothing to take a second time, of
 * an index that is another's already. */
static int take_snapshot(const struct program *by)
{
    struct program now;
    if (home_written_by(&now) == 0 && !program_newer(&this_program, &now)) return 0; /* another was quicker */
    int e = path_unlocked("store/index/LOCK");
    if (!e) e = remove_snapshot(unfinished);
    if (!e) e = fill(unfinished, by);
    if (!e) e = remove_snapshot(before);
    if (!e) e = path_rename(unfinished, before);
    if (!e) e = path_sync_dir("store");
    if (!e) e = home_sign();
    if (e) return err_prefix(e, "the store cannot be kept as it is before this program changes it");
    log_info("store", "kept as it was before tram %s opened it, in %s: `tram rollback` goes back to it",
             this_program.version, before);
    return 0;
}

static int locked(int (*fn)(const struct program *by), const struct program *by)
{
    int lock;
    int e = path_lock("store", &lock);
    if (e) return e;
    e = fn(by);
    path_unlock(&lock);
    return e;
}

int home_rollback_ended(void)
{
    bool between = path_exists(loss_note) && !path_exists("store/index"); /* put_index() */
    if (!path_exists(before_sign) || (path_exists(before_index) && !between)) return 0;
    return err_set(ERR_STATE, "going back to the store of before was cut off: say `tram rollback` again");
}

int home_before_open(void)
{
    struct program by;
    int e = home_rollback_ended();
    if (!e) e = home_written_by(&by);
    if (e == ERR_NOT_FOUND) by = (struct program){"0.1", STORE_FORMAT, STORE_FORMAT_OLDEST};
    else if (e) return e;
    if (by.format > STORE_FORMAT)
        return err_set(
            ERR_VERSION,
            "tram %s wrote this store, in format %llu, and this is tram %s, which reads formats up "
            "to %d: take the newer program, or go back to what was before it with `tram rollback`",
            by.version, (unsigned long long)by.format, this_program.version, STORE_FORMAT);
    return program_newer(&this_program, &by) ? locked(take_snapshot, &by) : 0;
}

/* ERR_NOT_FOUND when there is none. */
static int read_snapshot(struct home_snapshot *out)
{
    struct path_info info;
    *out = (struct home_snapshot){0};
    int e = path_info(before_sign, &info);
    if (e) return e;
    out->when = info.changed;
    e = read_sign(before_sign, &out->by);
    if (e == ERR_NOT_FOUND) out->by = (struct program){.version = "?"};
    return e == ERR_NOT_FOUND ? 0 : e;
}

/* ---- back ---- */

/* What was still written to then is sealed now, under its whole name, unless a sweep has removed it. */
static int bring_pack(void *folder, const char *name)
{
    struct folder *f = folder;
    struct slice s = sl_cstr(name), part = SL(".part");
    struct slice sealed = sl_ends(s, part) ? ar_cat(&f->a, sl_sub(s, 0, s.n - part.n), SL(".pack")) : s;
    if (path_exists(below(f, f->to, ar_cstr(&f->a, sealed))) || path_exists(below(f, f->to, name))) return 0;
    return link_or_copy(f, name, true);
}

/* No letter that came since is swept before somebody has judged it. */
static int note_loss(const struct home_snapshot *s)
{
    struct arena a;
    ar_init(&a, 0);
    char when[CIVIL_TEXT_MAX];
    struct slice note = ar_printf(&a, "the index is that of %s again, as tram %s left it",
                                  civil_format(s->when, when), s->by.version);
    int e = path_write(loss_note, note, 0600);
    ar_free(&a);
    return e;
}

static int put_index(struct arena *a, struct slice *aside)
{
    int e = 0;
    if (!path_exists(before_index)) return 0;
    if (path_exists("store/index")) {
        *aside = ar_printf(a, "store/index.after-%lld", (long long)rt_wall_seconds());
        e = path_rename("store/index", aside->p);
    }
    if (!e) e = path_rename(before_index, "store/index");
    return e ? e : path_sync_dir("store");
}

static int go_back(struct arena *a, const struct home_snapshot *what, struct slice *aside)
{
    int e = path_unlocked("store/index/LOCK");
    if (!e && path_exists(before_bodies)) e = each_file(before_bodies, "store/bodies", bring_pack);
    if (!e) e = path_sync_dir("store/bodies");
    if (!e && path_exists(before_index)) e = note_loss(what);
    if (!e) e = path_unlocked("store/index/LOCK"); /* somebody may have opened it while packs were brought */
    if (!e) e = put_index(a, aside);
    if (!e) e = remove_folder(before_bodies);
    if (!e) e = path_rename(before_sign, sign);
    if (!e) e = remove_snapshot(before);
    return e ? e : path_sync_dir("store");
}

int home_rollback(struct arena *a, struct home_snapshot *what, struct slice *aside)
{
    int lock;
    *aside = (struct slice){0};
    int e = read_snapshot(what);
    if (e == ERR_NOT_FOUND)
        return err_set(e,
                       "there is nothing to go back to: no newer program has opened this store within %d "
                       "days",
                       SNAPSHOT_DAYS);
    if (!e) e = path_lock("store", &lock);
    if (e) return e;
    e = go_back(a, what, aside);
    path_unlock(&lock);
    return e;
}

static int remove_before(const struct program *by)
{
    (void)by;
    return remove_snapshot(before);
}

int home_snapshot_forget(bool at_once, bool *was)
{
    struct path_info info;
    *was = path_info(before, &info) == 0 &&
           (at_once || info.changed + (int64_t)SNAPSHOT_DAYS * 86400 <= rt_wall_seconds());
    return *was ? locked(remove_before, NULL) : 0;
}
