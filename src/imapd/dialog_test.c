/* dialog_test.c - the server and the clients of imapd's tests. */
#include "dialog_test.h"

#include <unistd.h>

#include "base/text.h"
#include "rt/file.h"

struct world w;
struct buf got;
const char a_letter[] =
    "From: Bob <bob@y.test>\r\nTo: alice@x.test\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    "Date: Mon, 7 Feb 1994 21:52:25 -0800\r\n\r\nHello, Alice\r\n";

const char mixed[] = "Subject: two parts\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
                     "--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: "
                     "quoted-printable\r\n\r\n"
                     "caf=E9 au =\r\nlait\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>x</p>\r\n--b--\r\n";
/* ---- a server ---- */

static void session(struct serving *s, struct conn *c)
{
    imapd_session(w.imapd, s == &w.tls, c, &s->sessions, NULL);
}

static int remove_file(void *dir, const char *name)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", (char *)dir, name);
    return path_unlink(path);
}

static int open_store(void *arg)
{
    (void)arg;
    struct buf chain = BUF_INIT, key = BUF_INIT;
    struct slice name = SL("mail.x.test");
    snprintf(w.dir, sizeof w.dir, "/tmp/imapd_test.%d", (int)getpid());
    (void)!path_mkdir(w.dir);
    int e = kv_mem_open(&w.kv, NULL);
    if (!e) e = body_open(&w.body, w.dir, 0);
    if (!e) e = tls_self_signed(&name, 1, 10, &chain, &key);
    if (!e) e = tls_server_new(&w.server_tls, NULL);
    if (!e) e = tls_server_add_cert(w.server_tls, buf_slice(&chain), buf_slice(&key));
    if (!e) e = tls_client_new(&w.client_tls, SL(""));
    buf_free(&chain);
    buf_free(&key);
    return e;
}

void start(void)
{
    CHECK_OK(offload(open_store, NULL));
    CHECK_OK(store_open(&w.store, w.kv, w.body));
    CHECK_OK(login_open(&w.login, w.kv, w.store->directory));
    CHECK_OK(domain_add(w.store->directory, SL("x.test")));
    CHECK_OK(account_add(w.store->directory, SL("alice@x.test"), SL("secret")));
    struct imapd_conf conf = {.store = w.store,
                              .login = w.login,
                              .tls = w.server_tls,
                              .hostname = SL("mail.x.test"),
                              .public_account = SL("public@x.test"),
                              .append_max = 1 << 20,
                              .annotate = w.annotate,
                              .sessions_max = 20};
    CHECK_OK(imapd_open(&w.imapd, &conf));
    w.plain = w.tls = (struct serving){.session = session};
    CHECK_OK(serving_start(&w.plain, "127.0.0.1:0"));
    CHECK_OK(serving_start(&w.tls, "127.0.0.1:0"));
}

static int clean_up(void *arg)
{
    (void)arg;
    (void)!path_list(w.dir, remove_file, w.dir);
    rmdir(w.dir);
    return 0;
}

void stop(void)
{
    serving_stop(&w.plain);
    serving_stop(&w.tls);
    imapd_close(&w.imapd);
    login_close(&w.login);
    store_close(&w.store);
    tls_free(&w.server_tls);
    tls_free(&w.client_tls);
    w.annotate = false;
    offload(clean_up, NULL);
}

/* ---- a client ---- */

struct conn *dial(bool tls)
{
    struct conn *c = NULL;
    struct tls_peer peer = {.name = SL("mail.x.test"), .verify = TLS_VERIFY_NONE};
    CHECK_OK(conn_dial(&c, listener_at(tls ? w.tls.l : w.plain.l), NULL));
    if (tls) CHECK_OK(conn_tls_connect(c, w.client_tls, &peer));
    return c;
}

/* Lines up to one that begins with `last`, into got. */
void read_until(struct conn *c, struct slice last)
{
    struct slice line;
    int64_t before = deadline_narrow(DEADLINE_IN(20 * RT_S));
    buf_clear(&got);
    do {
        int e = conn_read_line(c, 60000, &line);
        if (e) {
            test_fail(__FILE__, __LINE__, "waiting for \"%.*s\": %s; got \"%.*s\"", SLF(last), err_text(e),
                      SLF(buf_slice(&got)));
            break;
        }
        buf_put(&got, line);
        buf_char(&got, '\n');
    } while (!sl_starts(line, last));
    deadline_restore(before);
}

/* '~' in the pattern stands for any run of bytes within a line. */
static bool like(struct slice pattern, struct slice s)
{
    if (!pattern.n) return !s.n;
    if (pattern.p[0] == '~') {
        for (size_t i = 0;; i++) {
            if (like(sl_from(pattern, 1), sl_from(s, i))) return true;
            if (i >= s.n || s.p[i] == '\n') return false;
        }
    }
    return s.n && s.p[0] == pattern.p[0] && like(sl_from(pattern, 1), sl_from(s, 1));
}

/* Only tests that speak of \Recent look at it. */
static void without_recent(struct buf *b)
{
    size_t at;
    while ((at = sl_find(buf_slice(b), SL("\\Recent"))) != SL_NONE) {
        size_t n = 7 + (b->p[at + 7] == ' ');
        memmove(b->p + at, b->p + at + n, b->n - at - n);
        b->n -= n;
    }
}

void expect_at(const char *file, int line, struct conn *c, const char *want)
{
    struct slice last = sl_cstr(want), w2 = last, tag;
    size_t lf = sl_rchr(sl_sub(last, 0, last.n - 1), '\n');
    last = lf == SL_NONE ? last : sl_from(last, lf + 1);
    sl_next(&last, ' ', &tag);
    if (sl_eq(tag, SL("*"))) { /* an untagged line: compare as many lines as are wanted */
        size_t lines = 0;
        for (size_t i = 0; i < w2.n; i++) lines += w2.p[i] == '\n';
        struct buf all = BUF_INIT;
        for (size_t i = 0; i < lines; i++) {
            read_until(c, SL(""));
            buf_put(&all, buf_slice(&got));
        }
        buf_clear(&got);
        buf_put(&got, buf_slice(&all));
        buf_free(&all);
    } else {
        struct buf t = BUF_INIT;
        buf_put(&t, tag);
        buf_char(&t, ' ');
        read_until(c, buf_slice(&t));
        buf_free(&t);
    }
    if (sl_find(w2, SL("Recent")) == SL_NONE) without_recent(&got);
    if (!like(w2, buf_slice(&got)))
        test_fail(file, line, "got\n%.*sinstead of\n%s", SLF(buf_slice(&got)), want);
}

struct conn *login(void)
{
    struct conn *c = dial(true);
    EXPECT(c, "* OK [CAPABILITY IMAP4rev1 ~] mail.x.test Tram is ready\n");
    TALK(c, "l LOGIN alice@x.test secret", "l OK [CAPABILITY IMAP4rev1 ~] logged in\n");
    return c;
}

void append(struct conn *c, const char *box, const char *flags, const char *text)
{
    conn_printf(c, "p APPEND %s %s{%zu+}\r\n%s\r\n", box, flags, strlen(text), text);
    CHECK_OK(conn_flush(c));
    read_until(c, SL("p "));
    CHECK(like(SL("~p OK [APPENDUID ~] appended\n"), buf_slice(&got)) ||
          sl_find(buf_slice(&got), SL("p OK [APPENDUID")) != SL_NONE);
}

void bye(struct conn **c)
{
    conn_puts(*c, "z LOGOUT\r\n");
    CHECK_OK(conn_flush(*c));
    read_until(*c, SL("z OK"));
    struct slice line;
    CHECK_ERR(conn_read_line(*c, 100, &line), ERR_EOF);
    conn_close(c);
}

void select_inbox(struct conn *c)
{
    conn_puts(c, "s SELECT INBOX\r\n");
    read_until(c, SL("s OK"));
}
