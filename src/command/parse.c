/* parse.c - the arguments of a command: from the words of a command line, and judged against the
 * declaration in the table wherever they come from. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/ip.h"
#include "base/log.h"
#include "base/text.h"
#include "command.h"

/* What every command takes besides. */
static const struct arg common_args[] = {
    {.name = "json", .type = ARG_FLAG, .meaning = "prints data for programs"},
    {.name = "help", .type = ARG_FLAG, .meaning = "explains the command"},
    {0},
};

static bool is_flag(const struct arg *g) { return g->type == ARG_FLAG; }

static const struct arg *option_in(const struct arg *g, struct slice name)
{
    for (; g && g->name; g++)
        if (g->from == FROM_OPTION && sl_eq(sl_cstr(g->name), name)) return g;
    return NULL;
}

static const struct arg *option_of(const struct command *c, struct slice name)
{
    const struct arg *g = option_in(c->args, name);
    return g ? g : option_in(common_args, name);
}

/* How a sentence names it: --limit, -f, the ADDRESS. */
static struct slice called(struct arena *a, const struct arg *g)
{
    if (g->from != FROM_OPTION) return ar_printf(a, "the %s", g->value ? g->value : g->name);
    return ar_printf(a, "%s%s", g->name[1] ? "--" : "-", g->name);
}

/* ---- from the command line ---- */

static int absolute_path(struct arena *a, struct slice *path)
{
    char cwd[4096];
    if (!path->n || path->p[0] == '/') return 0;
    if (!getcwd(cwd, sizeof cwd)) return err_set(ERR_IO, "the working directory cannot be read");
    *path = ar_printf(a, "%s/%.*s", cwd, SLF(*path));
    return 0;
}

static int put_value(struct arena *a, const struct arg *g, struct slice text, json_t *args)
{
    uint64_t n;
    if (g->type == ARG_PATH) {
        int e = absolute_path(a, &text);
        if (e) return e;
    }
    json_t *v = g->type == ARG_NUMBER && num_u64(text, INT64_MAX, &n) ? json_integer((json_int_t)n)
                                                                      : text_value(text);
    if (g->flags & ARG_MANY) {
        json_t *list = json_object_get(args, g->name);
        if (!list) json_object_set_new(args, g->name, list = json_array());
        json_array_append_new(list, v);
        return 0;
    }
    bool twice = g->name[1] && json_object_get(args, g->name); /* of sendmail's the last one counts */
    json_object_set_new(args, g->name, v);
    return twice ? err_set(ERR_USAGE, "%.*s stands there twice", SLF(called(a, g))) : 0;
}

struct words {
    const struct command *c;
    struct arena *a;
    int argc, at;
    char **argv;
    json_t *args;
};

static int next_value(struct words *w, const struct arg *g, struct slice *value)
{
    if (++w->at == w->argc) return err_set(ERR_USAGE, "%.*s needs a value", SLF(called(w->a, g)));
    *value = sl_cstr(w->argv[w->at]);
    return 0;
}

static int long_option(struct words *w, struct slice word)
{
    size_t eq = sl_chr(word, '=');
    const struct arg *g = option_of(w->c, sl_sub(word, 2, eq == SL_NONE ? word.n : eq));
    struct slice value;
    if (!g || !g->name[1])
        return err_set(ERR_USAGE, "%.*s is not an option here", SLF(printable(w->a, word, WORD_SHOWN)));
    if (is_flag(g) && eq != SL_NONE) return err_set(ERR_USAGE, "--%s takes no value", g->name);
    if (is_flag(g)) return json_object_set_new(w->args, g->name, json_true());
    int e = 0;
    if (eq == SL_NONE) e = next_value(w, g, &value);
    else value = sl_from(word, eq + 1);
    return e ? e : put_value(w->a, g, value, w->args);
}

static bool idle(const char *set, char c) { return set && strchr(set, c); }

/* -t, -ti, -fFROM, -f FROM. */
static int short_options(struct words *w, struct slice word)
{
    for (size_t i = 1; i < word.n; i++) {
        const struct arg *g = option_of(w->c, sl_sub(word, i, i + 1));
        struct slice value = sl_from(word, i + 1);
        if (!g && idle(w->c->idle.alone, word.p[i])) continue;
        if (!g && idle(w->c->idle.with, word.p[i])) w->at += !value.n;
        if (!g && (idle(w->c->idle.with, word.p[i]) || idle(w->c->idle.glued, word.p[i]))) return 0;
        if (!g)
            return err_set(ERR_USAGE, "%.*s is not an option here", SLF(printable(w->a, word, WORD_SHOWN)));
        if (is_flag(g)) {
            json_object_set_new(w->args, g->name, json_true());
            continue;
        }
        int e = value.n ? 0 : next_value(w, g, &value);
        return e ? e : put_value(w->a, g, value, w->args);
    }
    return 0;
}

/* The next argument that is a word, from *g on. */
static const struct arg *word_from(const struct arg *g)
{
    while (g && g->name && g->from != FROM_WORD) g++;
    return g && g->name ? g : NULL;
}

int command_parse(const struct command *c, struct arena *a, int argc, char **argv, json_t *args)
{
    struct words w = {.c = c, .a = a, .argc = argc, .argv = argv, .args = args};
    const struct arg *g = word_from(c->args);
    bool options = true;
    int e = 0;
    for (; !e && w.at < argc; w.at++) {
        struct slice word = sl_cstr(argv[w.at]);
        if (options && sl_eq(word, SL("--"))) options = false;
        else if (options && sl_starts(word, SL("--"))) e = long_option(&w, word);
        else if (options && word.n > 1 && word.p[0] == '-') e = short_options(&w, word);
        else if (!g) e = err_set(ERR_USAGE, "%.*s is one word too many", SLF(printable(a, word, WORD_SHOWN)));
        else {
            e = put_value(a, g, word, args);
            if (!(g->flags & ARG_MANY)) g = word_from(g + 1);
        }
    }
    return e;
}

/* ---- judging ---- */

static bool choice_ok(const struct arg *g, struct slice v)
{
    struct slice words = sl_cstr(g->words);
    for (struct slice word; sl_next(&words, ' ', &word);)
        if (sl_eq(word, v)) return true;
    return false;
}

static int check_value(struct arena *a, const struct arg *g, json_t *v)
{
    struct ip ip;
    struct endpoint at;
    struct slice name = called(a, g), text = sl_cstr(json_is_string(v) ? json_string_value(v) : "");
    if (g->type == ARG_FLAG)
        return json_is_boolean(v) ? 0 : err_set(ERR_USAGE, "%.*s is true or false", SLF(name));
    if (g->type == ARG_NUMBER)
        return json_is_integer(v) && json_integer_value(v) >= g->least && json_integer_value(v) <= g->most
                   ? 0
                   : err_set(ERR_USAGE, "%.*s takes a number from %lld to %lld", SLF(name),
                             (long long)g->least, (long long)g->most);
    if (!json_is_string(v)) return err_set(ERR_USAGE, "%.*s takes a text", SLF(name));
    switch (g->type) {
    case ARG_IP:
        if (ip_parse(text, &ip) || ip_parse_literal(text, &ip)) return 0;
        return err_set(ERR_USAGE, "%.*s %.*s is not an IP address", SLF(name), SLF(text));
    case ARG_ENDPOINT:
        if (endpoint_parse(text, &at)) return 0;
        return err_set(ERR_USAGE, "%.*s must have the form 127.0.0.1:53 or [::1]:53", SLF(name));
    case ARG_PATH:
        if (sl_starts(text, SL("/"))) return 0;
        return err_set(ERR_USAGE, "%.*s must be an absolute path", SLF(name));
    case ARG_CHOICE:
        if (choice_ok(g, text)) return 0;
        return err_set(ERR_USAGE, "%.*s takes one of these: %s (%s)", SLF(name), g->words, g->meaning);
    default:
        if (text.n || g->from != FROM_WORD) return 0;
        return err_set(ERR_USAGE, "%.*s is empty", SLF(name));
    }
}

static int check_list(struct arena *a, const struct arg *g, json_t *v)
{
    size_t i;
    json_t *one;
    if (!json_is_array(v)) return err_set(ERR_USAGE, "%.*s takes a list", SLF(called(a, g)));
    int e = 0;
    json_array_foreach(v, i, one)
        if (!e) e = check_value(a, g, one);
    return e;
}

static int check_one(struct arena *a, const struct arg *g, json_t *args, bool complete)
{
    json_t *v = json_object_get(args, g->name);
    bool asked = g->from == FROM_PASSWORD || g->from == FROM_LOGIN;
    if (v) return g->flags & ARG_MANY ? check_list(a, g, v) : check_value(a, g, v);
    if (asked ? complete : g->flags & ARG_NEEDED)
        return err_set(ERR_USAGE, "%.*s is missing", SLF(called(a, g)));
    if (g->type == ARG_NUMBER && g->fallback) json_object_set_new(args, g->name, json_integer(g->fallback));
    return 0;
}

/* The arguments with this flag that stand there; *names: all of them, for a sentence. */
static size_t count_flagged(struct arena *a, const struct command *c, json_t *args, unsigned flag,
                            struct slice *names, size_t *all)
{
    size_t n = 0;
    *names = (struct slice){0};
    *all = 0;
    for (const struct arg *g = c->args; g && g->name; g++) {
        if (!(g->flags & flag)) continue;
        n += json_object_get(args, g->name) != NULL;
        *names = ar_printf(a, "%.*s%s%.*s", SLF(*names), names->n ? ", " : "", SLF(called(a, g)));
        ++*all;
    }
    return n;
}

static int check_together(struct arena *a, const struct command *c, json_t *args)
{
    struct slice names;
    size_t all, n = count_flagged(a, c, args, ARG_SELECTS, &names, &all);
    if (all && !n) return err_set(ERR_USAGE, "give one of these at least: %.*s", SLF(names));
    if (count_flagged(a, c, args, ARG_EXCLUDES, &names, &all) > 1)
        return err_set(ERR_USAGE, "these exclude each other: %.*s", SLF(names));
    return 0;
}

static bool declared(const struct arg *g, const char *name)
{
    for (; g && g->name; g++)
        if (strcmp(g->name, name) == 0) return true;
    return false;
}

int command_check(const struct command *c, struct arena *a, json_t *args, bool complete)
{
    ASSERT(json_is_object(args));
    const char *name;
    json_t *v;
    int e = 0;
    json_object_foreach(args, name, v)
        if (!declared(c->args, name) && !declared(common_args, name))
            return err_set(ERR_USAGE, "%s is not an argument of `%s`", name, c->name);
    for (const struct arg *g = c->args; !e && g && g->name; g++) e = check_one(a, g, args, complete);
    return e ? e : check_together(a, c, args);
}

int command_ask(const struct command *c, json_t *args)
{
    int e = 0;
    for (const struct arg *g = c->args; !e && g && g->name; g++) {
        const char *user = getenv("LOGNAME");
        if (g->from == FROM_PASSWORD) e = read_password("Password", args);
        if (g->from == FROM_TERMINAL && isatty(STDOUT_FILENO) && !arg_flag(args, "json"))
            json_object_set_new(args, g->name, json_true());
        if (g->from == FROM_LOGIN)
            reply_text(args, g->name, sl_cstr(user && *user ? user : getuid() == 0 ? "root" : "nobody"));
    }
    return e;
}

/* ---- usage ---- */

static struct slice usage_of(struct arena *a, const struct arg *g)
{
    const char *more = g->flags & ARG_MANY ? "..." : "", *value = g->value ? g->value : "";
    if (g->from == FROM_WORD) return ar_printf(a, "%s%s", value, more);
    return ar_printf(a, "%s%s%s%s%s", g->name[1] ? "--" : "-", g->name, *value ? " " : "", value, more);
}

/* "[--resolver IP:PORT | --zone FILE]": what stands together in the table and belongs together. */
static struct slice group_of(struct arena *a, const struct arg **g)
{
    unsigned kind = (*g)->flags & (ARG_SELECTS | ARG_EXCLUDES);
    bool needed = (*g)->flags & (ARG_NEEDED | ARG_SELECTS);
    struct slice s = usage_of(a, *g);
    for (++*g; kind && (*g)->name && (*g)->flags & kind; ++*g)
        s = ar_printf(a, "%.*s | %.*s", SLF(s), SLF(usage_of(a, *g)));
    return ar_printf(a, needed ? " %.*s" : " [%.*s]", SLF(s));
}

struct slice command_usage(struct arena *a, const struct command *c)
{
    struct slice s = {0};
    for (const struct arg *g = c->args; g && g->name;) {
        if (g->from == FROM_PASSWORD) s = ar_cat(a, s, SL(" (password on standard input)"));
        if (g->from == FROM_PASSWORD || g->from == FROM_LOGIN || g->from == FROM_TERMINAL) g++;
        else s = ar_cat(a, s, group_of(a, &g));
    }
    if (c->input) s = ar_printf(a, "%.*s < %s", SLF(s), c->input);
    return sl_trim(s);
}
