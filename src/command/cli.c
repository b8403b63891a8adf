/* cli.c - tram -C DIR COMMAND ...: finds the command, goes home, runs it here or in the server. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "cli.h"
#include "cmd.h"
#include "control.h"
#include "core/home.h"
#include "rt/file.h"

enum { EXIT_DONE = 0, EXIT_NO = 1, EXIT_WRONG_USE = 2, EXIT_COULD_NOT = 3 };

static int exit_of(int e) { return e >= 0 ? e : e == ERR_USAGE ? EXIT_WRONG_USE : EXIT_COULD_NOT; }

static int complain(int status, const char *sentence)
{
    if (*sentence) fprintf(stderr, "tram: %s\n", sentence);
    return status;
}

static int could_not(int e) { return complain(exit_of(e), err_text(e)); }

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

/* ---- help ---- */

int parse_help(struct arena *a, int argc, char **argv, json_t *args)
{
    (void)a, (void)args;
    printf("Tram, a mail server. usage: tram [-C DIR] COMMAND ...   (DIR: the home of a node; default "
           "$TRAM_HOME)\n\n");
    for (size_t i = 0; i < ncommands; i++) {
        const struct command *c = &commands[i];
        if (argc && strncmp(c->name, argv[0], strlen(argv[0])) != 0) continue;
        printf("  tram %s %s\n        %s\n", c->name, c->usage, c->help);
    }
    printf("\n--json prints data for programs. Exit status: 0 done, 1 the answer is no, 2 wrong use, 3 could "
           "not.\n");
    return 0;
}

static int wrong_use(const struct command *c)
{
    fprintf(stderr, "tram: %s\nusage: tram [-C DIR] %s %s\n", err_text(ERR_USAGE), c->name, c->usage);
    return EXIT_WRONG_USE;
}

static int unknown_command(int argc, char **argv)
{
    if (!argc) fprintf(stderr, "tram: a command is missing; `tram help` lists them\n");
    else fprintf(stderr, "tram: there is no command \"%s\"; `tram help` lists them\n", argv[0]);
    for (size_t i = 0; argc && i < ncommands; i++)
        if (strncmp(commands[i].name, argv[0], strlen(argv[0])) == 0 &&
            commands[i].name[strlen(argv[0])] == ' ')
            fprintf(stderr, "  tram %s %s\n", commands[i].name, commands[i].usage);
    return EXIT_WRONG_USE;
}

/* ---- init ---- */

static int take_listen(json_t *v, struct config_start *c)
{
    json_t *one;
    size_t i;
    json_t *list = json_is_array(v) ? json_incref(v) : v ? json_pack("[O]", v) : json_array();
    int e = 0;
    json_array_foreach(list, i, one) {
        const char *text = json_string_value(one);
        if (c->nlisten < LISTEN_MAX && ip_parse(sl_cstr(text), &c->listen[c->nlisten])) c->nlisten++;
        else if (!e) e = err_set(ERR_USAGE, "--listen %s is not an IP address", text);
    }
    json_decref(list);
    return e;
}

static int absolute_path(struct arena *a, struct slice path, struct slice *out)
{
    char cwd[4096];
    *out = path;
    if (!path.n || path.p[0] == '/') return 0;
    if (!getcwd(cwd, sizeof cwd)) return err_set(ERR_IO, "the working directory cannot be read");
    *out = ar_printf(a, "%s/%.*s", cwd, SLF(path));
    return 0;
}

static int take_init(struct arena *a, json_t *args, struct home_start *h)
{
    uint64_t offset = 0;
    h->domain = ar_lower(a, arg_slice(args, "domain"));
    if (!h->domain.n) return err_set(ERR_USAGE, "--domain is missing: the mail domain, such as example.org");
    h->conf.hostname = ar_lower(a, arg_slice(args, "hostname"));
    if (!h->conf.hostname.n) h->conf.hostname = ar_cat(a, SL("mail."), h->domain);
    struct slice n = arg_slice(args, "port-offset");
    if (n.n && !num_u64(n, 65535 - 995, &offset))
        return err_set(ERR_USAGE, "--port-offset must lie between 0 and %d", 65535 - 995);
    h->conf.port_offset = (uint16_t)offset;
    h->conf.resolver = arg_slice(args, "resolver");
    struct endpoint e;
    if (h->conf.resolver.n && !endpoint_parse(h->conf.resolver, &e))
        return err_set(ERR_USAGE, "--resolver must have the form 127.0.0.1:53");
    if (h->conf.resolver.n && *arg_text(args, "zone"))
        return err_set(ERR_USAGE, "--resolver and --zone exclude each other");
    int r = absolute_path(a, arg_slice(args, "zone"), &h->conf.zone);
    return r ? r : take_listen(json_object_get(args, "listen"), &h->conf);
}

static int init_main(void *arg) { return home_init(arg); }

static int make_folder(const char *dir)
{
    int e = path_make(dir);
    if (!e && chdir(dir)) e = err_errno(errno, "cannot enter %s", dir);
    return e;
}

static const char *home_dir; /* set once from the command line, before any thread starts */

int parse_init(struct arena *a, int argc, char **argv, json_t *args)
{
    struct home_start h = {0};
    int e = parse_options("domain: hostname: listen: port-offset: resolver: zone:", &argc, argv, args);
    if (!e) e = parse_words("", argc, argv, args);
    if (!e) e = take_init(a, args, &h);
    if (e) return e;
    if (!home_dir) return err_set(ERR_USAGE, "say where: tram -C DIR init ... (or set TRAM_HOME)");
    e = make_folder(home_dir);
    if (!e) e = run_first(1, init_main, &h);
    if (e == ERR_EXISTS) return complain(EXIT_NO, err_text(e));
    if (e) return could_not(e);
    printf("%s is the home of %.*s now, with the domain %.*s.\nNext:\n"
           "  tram -C %s account add NAME@%.*s     (password on standard input)\n"
           "  tram -C %s dns records %.*s          what to publish in the DNS\n"
           "  tram -C %s serve\n",
           home_dir, SLF(h.conf.hostname), SLF(h.domain), home_dir, SLF(h.domain), home_dir, SLF(h.domain),
           home_dir);
    return EXIT_DONE;
}

/* ---- home and configuration ---- */

static int go_home(void)
{
    if (!home_dir) return err_set(ERR_USAGE, "which node? say tram -C DIR ..., or set TRAM_HOME");
    return chdir(home_dir) ? err_errno(errno, "cannot enter the home %s", home_dir) : 0;
}

int parse_config_check(struct arena *a, int argc, char **argv, json_t *args)
{
    struct config c;
    struct slice certificate, key;
    int e = parse_options("json", &argc, argv, args);
    if (!e) e = parse_words("", argc, argv, args);
    if (!e) e = go_home();
    if (e == ERR_USAGE) return e;
    if (!e) e = config_read(a, "tram.conf", &c);
    if (!e) e = home_certificate(&c, a, &certificate, &key);
    if (e == ERR_SYNTAX) return complain(EXIT_NO, err_text(e));
    if (e) return could_not(e);
    printf("tram.conf is right.\n");
    return EXIT_DONE;
}

/* ---- serve ---- */

static int (*serve_node)(void *conf); /* as home_dir */

int parse_serve(struct arena *a, int argc, char **argv, json_t *args)
{
    struct config c;
    int e = parse_words("", argc, argv, args);
    if (!e) e = go_home();
    if (e == ERR_USAGE) return e;
    if (!e) e = config_read(a, "tram.conf", &c);
    if (!e) e = run_first(0, serve_node, &c);
    return e < 0 ? could_not(e) : e;
}

/* ---- every other command ---- */

struct stdin_payload {
    struct payload p;
    char bytes[65536];
};

struct task {
    const struct command *cmd;
    const struct config *conf;
    json_t *args, *reply;
    struct payload *payload;
    struct buf error;
    int status;
};

static int next_of_stdin(struct payload *p, struct slice *piece)
{
    struct stdin_payload *s = CONTAINER_OF(p, struct stdin_payload, p);
    ssize_t n = read(STDIN_FILENO, s->bytes, sizeof s->bytes);
    if (n < 0) return err_set(ERR_IO, "cannot read standard input: %s", strerror(errno));
    *piece = sl(s->bytes, (size_t)n);
    return n > 0;
}

static int run_here(struct task *t)
{
    struct arena a;
    struct core *core = xcalloc(1, sizeof *core);
    ar_init(&a, 0);
    t->reply = json_object();
    struct request r = {.core = core, .a = &a, .args = t->args, .reply = t->reply, .payload = t->payload};
    int e = t->cmd->kind == COMMAND_DNS ? core_open_dns(core, t->conf) : core_open(core, t->conf);
    if (!e) {
        t->status = command_run(t->cmd, &r, &t->error);
        core_close(core);
    }
    ar_free(&a);
    free(core);
    return e;
}

static int task_main(void *arg)
{
    struct task *t = arg;
    int e = ERR_NOT_FOUND;
    if (t->cmd->kind == COMMAND_STORE)
        e = control_call(t->cmd, t->args, t->payload, &t->status, &t->reply, &t->error);
    return e == ERR_NOT_FOUND || e == ERR_REFUSED ? run_here(t) : e;
}

static void print_reply(struct task *t)
{
    struct buf out = BUF_INIT;
    if (!t->reply || t->status > EXIT_NO) return;
    if (json_is_true(json_object_get(t->args, "json"))) {
        char *text = json_dumps(t->reply, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
        if (text) buf_str(&out, text), buf_char(&out, '\n');
        free(text);
    } else if (!t->error.n) {
        t->cmd->print(t->args, t->reply, &out);
    }
    fwrite(out.p, 1, out.n, stdout);
    buf_free(&out);
}

static int run_command(const struct command *cmd, struct arena *a, json_t *args)
{
    struct config conf;
    struct stdin_payload in = {.p.next = next_of_stdin};
    struct task t = {.cmd = cmd, .conf = &conf, .args = args, .payload = cmd->takes_payload ? &in.p : NULL};
    int e = go_home();
    if (e == ERR_USAGE) return wrong_use(cmd);
    if (!e) e = config_read(a, "tram.conf", &conf);
    if (!e) e = run_first(1, task_main, &t);
    if (e) return could_not(e);
    print_reply(&t);
    if (t.error.n) fprintf(stderr, "tram: %.*s\n", SLF(buf_slice(&t.error)));
    json_decref(t.reply);
    buf_free(&t.error);
    return t.status;
}

/* The program's own words: -C DIR before the command; called as `sendmail` it is `tram send`. */
static const struct command *take_command(int *argc, char ***argv, int *used)
{
    const char *self = strrchr((*argv)[0], '/');
    self = self ? self + 1 : (*argv)[0];
    home_dir = getenv("TRAM_HOME");
    --*argc, ++*argv;
    *used = 0;
    if (strcmp(self, "sendmail") == 0) return command_named("send");
    while (*argc >= 2 && strcmp((*argv)[0], "-C") == 0) {
        home_dir = (*argv)[1];
        *argc -= 2, *argv += 2;
    }
    if (*argc && (strcmp((*argv)[0], "--help") == 0 || strcmp((*argv)[0], "-h") == 0))
        (*argv)[0] = (char *)"help";
    return command_find(*argc, *argv, used);
}

int cli_main(int argc, char **argv, int (*serve)(void *conf))
{
    int used;
    umask(077); /* what a home holds, libraries' files too, is nobody else's */
    serve_node = serve;
    const struct command *cmd = take_command(&argc, &argv, &used);
    if (!cmd) return unknown_command(argc, argv);
    if (cmd->kind != COMMAND_PLAIN || strcmp(cmd->name, "serve") != 0) log_set_level(LOG_ERROR);
    struct arena a;
    json_t *args = json_object();
    ar_init(&a, 0);
    int status = cmd->parse(&a, argc - used, argv + used, args);
    if (status == ERR_USAGE) status = wrong_use(cmd);
    else if (status < 0) status = could_not(status);
    else if (cmd->kind != COMMAND_PLAIN) status = run_command(cmd, &a, args);
    json_decref(args);
    ar_free(&a);
    return status;
}
