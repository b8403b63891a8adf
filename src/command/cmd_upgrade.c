/* cmd_upgrade.c - upgrade-check and rollback: before a newer program, and back from it. */
#include "base/text.h"
#include "cmd.h"
#include "core/config.h"
#include "core/upgrade.h"
#include "rt/file.h"

enum { PROGRAM_MAX = 512 << 20, CONFIG_MAX = 1 << 20 };

struct reading {
    const char *path;
    size_t max;
    struct buf bytes;
};

static int read_on_thread(void *reading)
{
    struct reading *r = reading;
    return path_read(r->path, r->max, &r->bytes);
}

/* A name stands in the program with its NUL, perhaps as the end of another one: what is not found is gone. */
static bool has_name(struct slice program, const char *name)
{
    return sl_find(program, sl(name, strlen(name) + 1)) != SL_NONE;
}

static bool sets(struct slice conf, struct slice name)
{
    while (conf.n) {
        size_t lf = sl_chr(conf, '\n'), n = lf == SL_NONE ? conf.n : lf;
        struct slice line = sl_trim(sl_sub(conf, 0, n));
        conf = sl_from(conf, lf == SL_NONE ? n : n + 1);
        if (!sl_starts(line, name)) continue;
        line = sl_trim(sl_from(line, name.n));
        if (line.n && (line.p[0] == '=' || line.p[0] == '{' || line.p[0] == '+')) return true;
    }
    return false;
}

/* How many settings of tram.conf it does not know. */
static size_t tell_gone(struct request *r, struct slice program, struct slice conf, const struct names *known)
{
    json_t *unknown = json_array(), *list = json_array();
    for (size_t i = 0; i < nsettings; i++)
        if (!has_name(program, settings[i].name) && sets(conf, sl_cstr(settings[i].name)))
            json_array_append_new(unknown, json_string(settings[i].name));
    for (size_t i = 0; i < known->n; i++)
        if (!has_name(program, known->name[i])) json_array_append_new(list, json_string(known->name[i]));
    json_object_set_new(r->reply, "settings_gone", unknown);
    json_object_set_new(r->reply, "commands_gone", list);
    return json_array_size(unknown);
}

static int compare(struct request *r, struct slice bytes, struct slice conf, const struct names *known)
{
    struct program fresh, by;
    if (program_of_bytes(bytes, &fresh))
        return err_set(ERR_USAGE,
                       "%s is no Tram, or one older than 0.2: it does not say which stores it reads",
                       arg_text(r->args, "program"));
    int e = home_written_by(&by);
    if (e == ERR_NOT_FOUND) by = this_program;
    else if (e) return e;
    bool reads = by.format >= fresh.reads && by.format <= fresh.format;
    reply_text(r->reply, "version", sl_cstr(fresh.version));
    reply_int(r->reply, "format", (int64_t)fresh.format);
    reply_int(r->reply, "store_format", (int64_t)by.format);
    reply_text(r->reply, "written_by", sl_cstr(by.version));
    json_object_set_new(r->reply, "reads", json_boolean(reads));
    json_object_set_new(r->reply, "snapshot", json_boolean(reads && program_newer(&fresh, &by)));
    size_t gone = tell_gone(r, bytes, conf, known);
    return reads && !gone ? 0 : NO;
}

int upgrade_check(struct request *r, const struct names *known)
{
    struct reading program = {arg_text(r->args, "program"), PROGRAM_MAX, BUF_INIT};
    struct reading conf = {"tram.conf", CONFIG_MAX, BUF_INIT};
    int e = offload_on(POOL_CARE, read_on_thread, &conf);
    if (!e) e = offload_on(POOL_CARE, read_on_thread, &program);
    if (!e) e = compare(r, buf_slice(&program.bytes), buf_slice(&conf.bytes), known);
    buf_free(&program.bytes);
    buf_free(&conf.bytes);
    return e;
}

static void print_names(json_t *list, const char *what, struct buf *out)
{
    size_t i;
    json_t *v;
    if (!json_array_size(list)) return;
    buf_printf(out, "%s", what);
    json_array_foreach(list, i, v) buf_printf(out, "%s %s", i ? "," : "", json_string_value(v));
    buf_str(out, ".\n");
}

void print_upgrade_check(json_t *args, json_t *reply, struct buf *out)
{
    const char *program = arg_text(args, "program"), *by = arg_text(reply, "written_by");
    long long format = arg_number(reply, "format"), here = arg_number(reply, "store_format");
    bool reads = arg_flag(reply, "reads");
    buf_printf(out, "%s is tram %s. It %s this store, which tram %s wrote in format %lld.\n", program,
               arg_text(reply, "version"), reads ? "reads" : "does not read", by, here);
    if (reads && format != here)
        buf_printf(out, "It writes format %lld: what it has opened tram %s cannot read any more.\n", format,
                   by);
    if (arg_flag(reply, "snapshot"))
        buf_printf(out,
                   "Before it opens the store it keeps it as it is for %d days: stop the server, say `tram "
                   "rollback`, and tram %s has it back.\n",
                   SNAPSHOT_DAYS, by);
    print_names(json_object_get(reply, "settings_gone"),
                "Settings of your tram.conf that it does not know:", out);
    print_names(json_object_get(reply, "commands_gone"), "Commands that it does not have:", out);
    if (reads)
        buf_printf(out,
                   "To try it on a copy:\n  tram backup FOLDER\n  %s -C FOLDER config check\n  %s -C FOLDER "
                   "verify\n",
                   program, program);
}

struct going {
    struct arena *a;
    struct home_snapshot what;
    struct slice aside;
    bool forget, was;
};

static int go_on_thread(void *going)
{
    struct going *g = going;
    return g->forget ? home_snapshot_forget(true, &g->was) : home_rollback(g->a, &g->what, &g->aside);
}

int run_rollback(struct request *r)
{
    struct going g = {.a = r->a, .forget = arg_flag(r->args, "forget")};
    int e = offload_on(POOL_CARE, go_on_thread, &g);
    if (e == ERR_BUSY) return err_set(e, "stop the server first: %s", ar_cstr(r->a, sl_cstr(err_text(e))));
    if (e) return e;
    if (g.forget) return g.was ? 0 : err_set(ERR_NOT_FOUND, "nothing is kept of a program before");
    reply_text(r->reply, "written_by", sl_cstr(g.what.by.version));
    reply_text(r->reply, "time", say_past(r->a, g.what.when, rt_wall_seconds()));
    if (g.aside.n) reply_text(r->reply, "aside", g.aside);
    return 0;
}

void print_rollback(json_t *args, json_t *reply, struct buf *out)
{
    if (arg_flag(args, "forget")) {
        buf_str(out, "What was kept of before the upgrade is removed: there is no way back any more.\n");
        return;
    }
    const char *by = arg_text(reply, "written_by");
    buf_printf(out, "The index is that of %s again, as tram %s left it.\n", arg_text(reply, "time"), by);
    if (*arg_text(reply, "aside"))
        buf_printf(out, "The one that it replaces is %s.\n", arg_text(reply, "aside"));
    buf_printf(out,
               "Next, with tram %s installed:\n"
               "  tram queue hold --all      letters that were in the queue then may have left since\n"
               "  tram verify                lists the letters that came since: none is swept\n"
               "  tram serve\n"
               "  tram verify --close-loss   when you have judged them\n",
               by);
}
