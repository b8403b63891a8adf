/* cli.c - tram -C DIR COMMAND ...: finds the command, goes home, runs it here or in the server. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "base/wiped.h"
#include "cli.h"
#include "cmd.h"
#include "control.h"
#include "core/home.h"
#include "core/upgrade.h"
#include "go_on.h"
#include "owner.h"
#include "rt/file.h"
#include "stdin_smtp.h"

static const char default_home[] = "/var/lib/tram"; /* when neither -C nor TRAM_HOME names one */

/* Runs fn(arg) as the first fiber; the sentence of its error survives the fiber. */
struct first {
    int (*fn)(void *);
    void *arg;
    char why[ERR_TEXT_MAX];
};

static int first_main(void *arg)
{
    struct first *f = arg;
    uint64_t seed[2];
    rt_random(seed, sizeof seed); /* so that no peer can choose keys that collide */
    hash_seed(seed[0], seed[1]);
    int e = f->fn(f->arg);
    if (e < 0) snprintf(f->why, sizeof f->why, "%s", err_text(e));
    return e;
}

static int run_first(int loops, int (*fn)(void *), void *arg)
{
    struct first f = {.fn = fn, .arg = arg};
    int e = rt_run(&(struct rt_opts){.loops = loops}, first_main, &f);
    return e < 0 && f.why[0] ? err_set(e, "%s", f.why) : e;
}

/* ---- what is said ---- */

struct task {
    const struct command *cmd;
    const char *home, *socket; /* the server's, in the home */
    const struct config *conf; /* `read`; NULL: a home whose settings are not to be seen */
    struct config read;
    struct arena a;
    json_t *args, *reply;
    struct payload *payload;
    struct buf error;
    int status;
    size_t rows; /* printed so far */
};

enum { JSON_FORM = JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_ENCODE_ANY };

/* A value within an object or a list: its lines are moved in. */
static void print_value(json_t *v, const char *in)
{
    char *text = json_dumps(v, JSON_FORM);
    struct slice rest = sl_cstr(text ? text : "null");
    struct buf b = BUF_INIT;
    for (uint32_t c; utf8_next(&rest, &c);)
        if (c >= 0x7f && text_steers(c)) buf_printf(&b, "\\u%04x", (unsigned)c); /* a terminal may show it */
        else if (c == '\n') buf_printf(&b, "\n%s", in);
        else utf8_put(&b, c);
    fwrite(b.p, 1, b.n, stdout);
    buf_free(&b);
    wiped_free(text);
}

/* The object that the rows have begun is ended with what else there is to tell. */
static void print_json_rest(struct task *t)
{
    const char *key;
    json_t *v;
    printf("\n  ]");
    json_object_foreach(t->reply, key, v) {
        printf(",\n  \"%s\": ", key);
        print_value(v, "  ");
    }
    printf("\n}\n");
}

static void print_line(json_t *o)
{
    char *line = json_dumps(o, JSON_COMPACT | JSON_ENSURE_ASCII);
    printf("%s\n", line ? line : "null");
    wiped_free(line);
}

static void print_json(struct task *t)
{
    bool live = command_is_live(t->cmd, t->args);
    if (!t->reply) t->reply = json_object();
    if (t->error.n) reply_text(t->reply, "error", buf_slice(&t->error));
    if (t->error.n) reply_int(t->reply, "status", t->status);
    if (live) {
        print_line(t->reply);
    } else if (t->rows) {
        print_json_rest(t);
    } else {
        print_value(t->reply, "");
        printf("\n");
    }
}

static json_t *harmless(const char *s, bool one_line)
{
    struct buf b = BUF_INIT;
    foreign_put(&b, sl_cstr(s), one_line);
    json_t *v = json_stringn(b.p ? b.p : "", b.n);
    buf_free(&b);
    return v;
}

/* Every string of a reply, before it is printed in words. JSON escapes them itself. */
static void make_harmless(json_t *o, bool one_line)
{
    const char *key;
    json_t *v;
    size_t i;
    json_object_foreach(o, key, v) {
        if (json_is_string(v)) json_object_set_new(o, key, harmless(json_string_value(v), one_line));
        else make_harmless(v, one_line);
    }
    for (i = 0; i < json_array_size(o); i++) {
        v = json_array_get(o, i);
        if (json_is_string(v)) json_array_set_new(o, i, harmless(json_string_value(v), one_line));
        else make_harmless(v, one_line);
    }
}

/* Here a text is one line of a table or a story; elsewhere (zone lines, fields) it has several. */
static bool is_one_line(const struct command *c)
{
    return strncmp(c->name, "queue ", 6) == 0 || strncmp(c->name, "block ", 6) == 0 ||
           strcmp(c->name, "trace") == 0 || strcmp(c->name, "watch") == 0 || strcmp(c->name, "debug") == 0 ||
           strcmp(c->name, "import") == 0 || strcmp(c->name, "export") == 0;
}

/* The words of an error may be somebody else's. */
static void complain(struct slice words)
{
    struct buf b = BUF_INIT;
    foreign_put(&b, words, true);
    fprintf(stderr, "tram: %.*s\n", SLF(buf_slice(&b)));
    buf_free(&b);
}

/* A row of the command's list, as it comes; of a list without end each is a line of JSON. */
static int print_row(void *arg, json_t *row)
{
    struct task *t = arg;
    bool live = command_is_live(t->cmd, t->args);
    if (live && arg_flag(t->args, "json")) {
        print_line(row);
    } else if (arg_flag(t->args, "json")) {
        if (t->rows) printf(",\n    ");
        else printf("{\n  \"%s\": [\n    ", t->cmd->rows);
        print_value(row, "    ");
    } else {
        struct buf out = BUF_INIT;
        json_t *list = json_pack("[O]", row);
        make_harmless(list, is_one_line(t->cmd));
        t->cmd->print_row(t->args, json_array_get(list, 0), t->rows, &out);
        fwrite(out.p, 1, out.n, stdout);
        if (out.n && out.p[out.n - 1] != '\n') fflush(stdout); /* a line that will be written over */
        json_decref(list);
        buf_free(&out);
    }
    t->rows++;
    if (live) fflush(stdout);
    return ferror(stdout) ? err_set(ERR_EOF, "nobody reads the answer any more") : 0;
}

/* With --json the answer is one object on standard output, also when it is an error. */
static void print_answer(struct task *t)
{
    struct buf out = BUF_INIT;
    bool good = !t->error.n && t->status <= EXIT_NO;
    if (good && t->cmd->rows && !t->rows && t->reply)
        json_object_set_new(t->reply, t->cmd->rows, json_array());
    if (arg_flag(t->args, "json")) {
        print_json(t);
        return;
    }
    make_harmless(t->reply, is_one_line(t->cmd));
    if (t->error.n) complain(buf_slice(&t->error));
    else if (t->status <= EXIT_NO) t->cmd->print(t->args, t->reply, &out);
    if (t->status == EXIT_WRONG_USE)
        fprintf(stderr, "usage: tram [-C DIR] %s %.*s\n", t->cmd->name, SLF(command_usage(&t->a, t->cmd)));
    fwrite(out.p, 1, out.n, stdout);
    buf_free(&out);
}

static bool wants_json(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--json") == 0) return true;
    return false;
}

static int unknown_command(int argc, char **argv)
{
    if (wants_json(argc, argv)) {
        struct task t = {.args = json_pack("{s:b}", "json", 1), .status = EXIT_WRONG_USE};
        bool named = argc && strcmp(argv[0], "--json");
        buf_printf(&t.error, named ? "there is no command \"%s\"" : "a command is missing",
                   named ? argv[0] : "");
        print_answer(&t);
        json_decref(t.args);
        json_decref(t.reply);
        buf_free(&t.error);
        return t.status;
    }
    if (!argc) fprintf(stderr, "tram: a command is missing; `tram help` lists them\n");
    else fprintf(stderr, "tram: there is no command \"%s\"; `tram help` lists them\n", argv[0]);
    for (size_t i = 0; argc && i < ncommands; i++)
        if (strncmp(commands[i].name, argv[0], strlen(argv[0])) == 0 &&
            commands[i].name[strlen(argv[0])] == ' ')
            fprintf(stderr, "  tram %s\n", commands[i].name);
    return EXIT_WRONG_USE;
}

/* ---- running ---- */

struct stdin_payload {
    struct payload p;
    char bytes[65536];
};

static int next_of_stdin(struct payload *p, struct slice *piece)
{
    struct stdin_payload *s = CONTAINER_OF(p, struct stdin_payload, p);
    ssize_t n = read(STDIN_FILENO, s->bytes, sizeof s->bytes);
    if (n < 0) return err_set(ERR_IO, "cannot read standard input: %s", strerror(errno));
    *piece = sl(s->bytes, (size_t)n);
    return n > 0;
}

/* Who became root or the owner says so himself; for the audit. */
static struct slice operator_name(struct arena *a)
{
    struct slice sudo = sl_cstr(getenv("SUDO_USER") ? getenv("SUDO_USER") : "");
    return sudo.n ? ar_cat(a, SL("operator as "), printable(a, sudo, OPERATOR_MAX)) : SL("operator");
}

static struct request request_of(struct task *t, struct core *core)
{
    if (!t->reply) t->reply = json_object();
    return (struct request){.core = core,
                            .home = t->home,
                            .a = &t->a,
                            .args = t->args,
                            .reply = t->reply,
                            .payload = t->payload,
                            .who = operator_name(&t->a),
                            .row = print_row,
                            .row_arg = t};
}

static int run_before(struct task *t)
{
    struct request r = request_of(t, NULL);
    return t->cmd->before ? t->cmd->before(t->conf, &r) : 0;
}

static void run_function(struct task *t, struct core *core)
{
    struct request r = request_of(t, core);
    t->status = command_run(t->cmd, &r, &t->error);
}

static int run_here(struct task *t)
{
    struct core *core = xcalloc(1, sizeof *core);
    int e = run_before(t);
    if (!e) e = t->cmd->needs == NEEDS_DNS ? core_open_dns(core, t->conf) : core_open(core, t->conf);
    if (!e) {
        run_function(t, core);
        core_close(core);
    }
    free(core);
    return e;
}

static int task_main(void *arg)
{
    struct task *t = arg;
    int e = ERR_NOT_FOUND;
    /* What the server does, it does without us; what a command does by itself can be cut off at each step. */
    rt_signals_end(true);
    if (t->cmd->needs == NEEDS_HOME || t->cmd->needs == NEEDS_NEW_HOME) {
        run_function(t, NULL);
        return 0;
    }
    int ahead = t->cmd->ahead ? t->cmd->ahead() : 0;
    if (ahead) return ahead;
    if (t->cmd->needs == NEEDS_STORE || t->cmd->needs == NEEDS_SERVER) {
        struct request r = request_of(t, NULL);
        e = control_call(t->socket, t->cmd, &r, &t->status, &t->error);
    }
    bool nobody = e == ERR_NOT_FOUND || e == ERR_REFUSED;
    if (nobody && t->cmd->needs == NEEDS_SERVER)
        return err_set(ERR_BUSY, "another command has the store of %s open; try again when it is over",
                       t->home);
    if (nobody && !t->conf)
        return err_set(ERR_UNREACHABLE,
                       "the server of %s does not run, or serves only its owner "
                       "(local_users in its tram.conf); try again later",
                       t->home);
    if (nobody) e = run_here(t);
    if (!e && t->status == EXIT_DONE && t->cmd->after) {
        e = t->cmd->after(t->conf, t->args);
        t->status = e ? EXIT_COULD_NOT : EXIT_DONE;
    }
    return e;
}

static int go_home(struct task *t)
{
    struct stat st;
    if (!t->home && stat(default_home, &st) == 0) t->home = default_home;
    if (!t->home)
        return err_set(ERR_USAGE, "which node? say tram -C DIR ..., or set TRAM_HOME (there is no %s)",
                       default_home);
    int e = t->cmd->needs == NEEDS_NEW_HOME ? path_make(t->home) : 0;
    if (e) return e;
    if (chdir(t->home)) return err_errno(errno, "cannot enter the home %s", t->home);
    bool serves = t->cmd->needs == IS_SERVER || t->cmd->needs == NEEDS_SERVER;
    return become_owner(t->cmd->next ? OWNER_PORTS_FOR_ALL : serves ? OWNER_PORTS : OWNER_NOTHING);
}

/* Is this home somebody else's, whose server serves everybody? */
static bool is_strange(void) { return access("tram.conf", R_OK) != 0 && errno == EACCES; }

static int run_server(const struct cli_server *s, struct config *conf)
{
    int e = s->prepare(conf);
    return e ? e : run_first(0, s->serve, conf);
}

static void run_meanwhile(void *arg, struct core *core) { run_function(arg, core); }

/* Commands tell what they find; the log of a server that runs for them would stand among it. */
static int run_with_server(struct task *t, const struct cli_server *s)
{
    int e = s->prepare(&t->read);
    log_set_level(LOG_ERROR);
    return e ? e : run_first(0, s->serve_while, &(struct cli_while){&t->read, run_meanwhile, t});
}

static bool somebody_serves(void) { return path_unlocked("store/index/LOCK") == ERR_BUSY; }

static int run_at_home(struct task *t, const struct cli_server *server)
{
    int e = go_home(t);
    if (e) return e;
    if ((t->cmd->everyone || t->cmd->of_domain) && is_strange()) {
        t->socket = CONTROL_PUBLIC_PATH;
        return run_first(1, task_main, t);
    }
    t->socket = CONTROL_PATH;
    if (t->cmd->needs != NEEDS_HOME && t->cmd->needs != NEEDS_NEW_HOME)
        e = config_read(&t->a, "tram.conf", &t->read);
    t->conf = &t->read;
    if (e) return e;
    if (t->cmd->needs == IS_SERVER) return run_server(server, &t->read);
    if (t->cmd->needs == NEEDS_SERVER && !somebody_serves()) return run_with_server(t, server);
    return run_first(1, task_main, t);
}

static void run_task(struct task *t, const struct cli_server *server)
{
    struct stdin_payload in = {.p.next = next_of_stdin};
    if (t->cmd->takes_payload && !(t->cmd->reads_nothing && t->cmd->reads_nothing(t->args)))
        t->payload = &in.p;
    if (t->cmd->needs == NEEDS_NOTHING) {
        run_function(t, NULL);
        return;
    }
    int e = run_at_home(t, server);
    if (!e) return;
    buf_str(&t->error, err_text(e));
    /* What keeps a command from running at all is never its answer. */
    t->status = e == ERR_USAGE ? EXIT_WRONG_USE : EXIT_COULD_NOT;
}

/* The words behind the command. `--help` turns it into `tram help COMMAND`. */
static int take_args(struct task *t, int argc, char **argv)
{
    int e = command_parse(t->cmd, &t->a, argc, argv, t->args);
    if (arg_flag(t->args, "help")) {
        json_t *args = json_pack("{s:[s], s:b}", "command", t->cmd->name, "json", arg_flag(t->args, "json"));
        json_decref(t->args);
        t->args = args;
        t->cmd = command_named("help");
        return 0;
    }
    if (!e) e = command_check(t->cmd, &t->a, t->args, false);
    return e ? e : command_ask(t->cmd, t->args);
}

/* ---- sendmail(8) ---- */

/* What is asked of it beside sending. */
struct sendmail_asks {
    bool list, retry; /* -bp; -q with whatever behind it */
    bool smtp;        /* -bs */
    bool aliases;     /* -bi, -I */
};

static bool takes_value(const struct command *c, char letter)
{
    for (const struct arg *g = c->args; g->name; g++)
        if (g->from == FROM_OPTION && g->name[0] == letter && !g->name[1]) return g->type != ARG_FLAG;
    return letter && strchr(c->idle.with, letter);
}

/* The options in front of the first word, as command_parse() reads those of `send`: a value is none. */
static struct sendmail_asks sendmail_asks(int argc, char **argv)
{
    const struct command *c = command_named("send");
    struct sendmail_asks x = {0};
    for (int i = 0; i < argc && argv[i][0] == '-' && argv[i][1] && argv[i][1] != '-'; i++) {
        const char *p = argv[i] + 1;
        x.aliases |= strcmp(p, "I") == 0;
        while (*p && !takes_value(c, *p) && !strchr(c->idle.glued, *p)) p++;
        x.retry |= *p == 'q';
        if (!*p || !takes_value(c, *p)) continue;
        const char *value = p[1] ? p + 1 : i + 1 < argc ? argv[++i] : "";
        if (*p != 'b') continue;
        x.list |= strcmp(value, "p") == 0;
        x.smtp |= strcmp(value, "s") == 0;
        x.aliases |= strcmp(value, "i") == 0;
    }
    return x;
}

/* Called as sendmail it is `tram send`; what means the queue are commands of their own. */
static const struct command *as_sendmail(int *argc, char ***argv)
{
    struct sendmail_asks x = sendmail_asks(*argc, *argv);
    if (!x.list && !x.retry) return command_named("send");
    static char *all[] = {(char *)"--all"};
    *argc = x.list ? 0 : 1;
    *argv = all;
    return command_named(x.list ? "queue list" : "queue retry");
}

/* ---- sendmail -bs ---- */

struct held_payload {
    struct payload p;
    struct slice rest;
};

static int next_of_held(struct payload *p, struct slice *piece)
{
    struct held_payload *h = CONTAINER_OF(p, struct held_payload, p);
    *piece = h->rest;
    h->rest.n = 0;
    return piece->n > 0;
}

struct over_stdin {
    const struct task *like; /* `send`, with the user */
    const struct cli_server *server;
    bool at_home; /* the home is the working directory */
};

/* As `sendmail -f SENDER RECIPIENT...` with the letter on standard input. */
static int hand_over(void *ctx, const struct stdin_smtp_letter *l, struct buf *why)
{
    struct over_stdin *o = ctx;
    struct held_payload held = {.p.next = next_of_held, .rest = l->text};
    struct task t = {.cmd = o->like->cmd, .home = o->at_home ? "." : o->like->home, .payload = &held.p};
    json_t *list = json_array();
    ar_init(&t.a, 0);
    t.args = json_deep_copy(o->like->args);
    json_object_del(t.args, "t");
    json_object_set_new(t.args, "f",
                        json_stringn(l->sender.n ? l->sender.p : "<>", l->sender.n ? l->sender.n : 2));
    for (size_t i = 0; i < l->n; i++) json_array_append_new(list, json_stringn(l->rcpt[i].p, l->rcpt[i].n));
    json_object_set_new(t.args, "recipients", list);
    int e = run_at_home(&t, o->server);
    o->at_home = true;
    if (e) buf_str(&t.error, err_text(e));
    if (e) t.status = e == ERR_USAGE ? EXIT_WRONG_USE : EXIT_COULD_NOT;
    buf_put(why, buf_slice(&t.error));
    if (!why->n && t.status && t.reply) t.cmd->print(t.args, t.reply, why);
    if (t.status == EXIT_NO && json_object_get(t.reply, "id")) t.status = EXIT_DONE; /* for the others */
    json_decref(t.args);
    json_decref(t.reply);
    buf_free(&t.error);
    ar_free(&t.a);
    return t.status;
}

static const char *called_as(char **argv)
{
    const char *self = strrchr(argv[0], '/');
    return self ? self + 1 : argv[0];
}

static bool wants_smtp(int argc, char **argv)
{
    return strcmp(called_as(argv), "sendmail") == 0 && sendmail_asks(argc - 1, argv + 1).smtp;
}

/* newaliases(1) and its spellings: aliases are in the store, there is no file of which a table is to be made.
 */
static bool wants_new_aliases(int argc, char **argv)
{
    const char *self = called_as(argv);
    return strcmp(self, "newaliases") == 0 ||
           (strcmp(self, "sendmail") == 0 && sendmail_asks(argc - 1, argv + 1).aliases);
}

static int speak_smtp(struct task *t, const struct cli_server *server)
{
    char host[256] = "localhost";
    struct over_stdin o = {t, server, false};
    gethostname(host, sizeof host - 1);
    return stdin_smtp(host, hand_over, &o);
}

/* The program's own words: -C DIR before the command. sendmail, mailq and newaliases are its other
 * names. */
static const struct command *take_command(int *argc, char ***argv, const char **home)
{
    static char *help[] = {(char *)"help"};
    const char *self = called_as(*argv);
    *home = getenv("TRAM_HOME");
    --*argc, ++*argv;
    if (strcmp(self, "sendmail") == 0) return as_sendmail(argc, argv);
    if (strcmp(self, "mailq") == 0) return command_named("queue list");
    while (*argc >= 2 && strcmp((*argv)[0], "-C") == 0) {
        *home = (*argv)[1];
        *argc -= 2, *argv += 2;
    }
    if (*argc && (strcmp((*argv)[0], "--help") == 0 || strcmp((*argv)[0], "-h") == 0)) (*argv)[0] = help[0];
    int used;
    const struct command *c = command_find(*argc, *argv, &used);
    if (c) *argc -= used, *argv += used;
    return c;
}

static void go_on(struct task *t)
{
    if (t->error.n || t->status != EXIT_DONE || !t->cmd->next || arg_flag(t->args, "json")) return;
    struct command_next n = t->cmd->next(t->args, t->reply);
    if (!n.name) return;
    int e = go_on_as(n.name, n.word);
    fprintf(stderr, "tram: `tram %s %s` cannot begin: %s\n", n.name, n.word, err_text(e));
    t->status = EXIT_COULD_NOT;
}

int cli_main(int argc, char **argv, const struct cli_server *server)
{
    struct task t = {0};
    bool smtp = wants_smtp(argc, argv);
    if (wants_new_aliases(argc, argv)) return EXIT_DONE;
    static char *from_envelope[] = {(char *)"-t"}; /* in its place hand_over() names who gets it */
    json_set_alloc_funcs(malloc, wiped_free);      /* passwords pass through it */
    umask(077); /* what a home holds, libraries' files too, is nobody else's */
    t.cmd = take_command(&argc, &argv, &t.home);
    if (smtp) argc = 1, argv = from_envelope;
    if (argc && !t.cmd && strcmp(argv[0], "--version") == 0)
        return printf("tram %s\n", this_program.version) < 0;
    if (!t.cmd) return unknown_command(argc, argv);
    if (t.cmd->needs != IS_SERVER) log_set_level(LOG_ERROR);
    ar_init(&t.a, 0);
    t.args = json_object();
    int e = take_args(&t, argc, argv);
    if (!e && smtp) {
        t.status = speak_smtp(&t, server);
    } else if (!e) {
        run_task(&t, server);
    } else {
        buf_str(&t.error, err_text(e));
        t.status = e == ERR_USAGE ? EXIT_WRONG_USE : EXIT_COULD_NOT;
        /* what is wrong may stand before it */
        if (wants_json(argc, argv)) json_object_set_new(t.args, "json", json_true());
    }
    if ((t.cmd->needs != IS_SERVER && !smtp) || t.error.n) print_answer(&t);
    go_on(&t);
    json_decref(t.args);
    json_decref(t.reply);
    buf_free(&t.error);
    ar_free(&t.a);
    return t.status;
}
