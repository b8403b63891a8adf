/* log_test.c - lines of the log as JSON. */
#include "log.h"

#include "test.h"

static char kept[LOG_LINE_MAX + 1];
static size_t nkept;
static void keep(struct slice line)
{
    nkept = line.n;
    memcpy(kept, line.p, line.n);
}
static int64_t then(void) { return 1764460800; }

static struct slice said(void) { return sl(kept, nkept); }

static void begin(void)
{
    log_set_sink(keep);
    log_set_clock(then);
    log_set_level(LOG_INFO);
    log_set_json(true);
}

static void end(void)
{
    log_set_json(false);
    log_set_level(LOG_ERROR + 1);
    log_set_sink(NULL);
    log_set_clock(NULL);
}

TEST(log_lines_are_json_by_a_setting)
{
    begin();
    log_write(LOG_WARN, "smtpd", "a \"word\" \\ and\r\nanother\x1b[0m %d", 7);
    CHECK_SL(said(),
             "{\"time\":\"2025-11-30T00:00:00Z\",\"level\":\"warning\",\"who\":\"smtpd\",\"text\":\"a "
             "\\\"word\\\" \\\\ and / another\\\\x1b[0m 7\"}\n");
    LOG_EVENT(LOG_INFO, "smtpd", {"event", SL("session")}, {"none", SL("")}, {"helo", SL("a\"b")});
    CHECK_SL(said(),
             "{\"time\":\"2025-11-30T00:00:00Z\",\"level\":\"info\",\"who\":\"smtpd\",\"event\":\"session\","
             "\"helo\":\"a\\\"b\"}\n");
    end();
}

/* Whatever is said, a line is an object that ends. */
TEST(log_lines_of_json_are_whole)
{
    static char much[3000];
    begin();
    for (size_t n = 800; n < 1100; n++) {
        for (size_t i = 0; i < n; i += 3) memcpy(much + i, "\xe2\x82\xac", 3);
        struct slice s = sl(much, n / 3 * 3);
        LOG_EVENT(LOG_INFO, "x", {"one", s}, {"two", SL("\"\"\"\"")}, {"three", s});
        CHECK(nkept <= LOG_LINE_MAX && sl_ends(said(), SL("\"}\n")));
        memset(much, '"', n);
        log_write(LOG_INFO, "x", "%.*s", (int)n, much);
        CHECK(nkept <= LOG_LINE_MAX && sl_ends(said(), SL("\\\"\"}\n")));
    }
    end();
}

static struct log_line seen;
static char seen_json[LOG_LINE_MAX];
static size_t nseen, times;
static void look(const struct log_line *l)
{
    seen = *l;
    nseen = log_json(l, seen_json);
    times++;
}

/* Who looks on hears what the log does not keep, each line once, and nothing after the end. */
TEST(log_lines_go_to_who_looks_on)
{
    for (int json = 0; json < 2; json++) {
        begin();
        log_set_json(json);
        log_set_level(LOG_ERROR);
        nkept = times = 0;
        CHECK(!log_wants(LOG_INFO));
        log_set_tap(look, LOG_INFO);
        CHECK(log_wants(LOG_INFO) && !log_wants(LOG_DEBUG));
        LOG_EVENT(LOG_INFO, "letter", {"event", SL("received")}, {"id", SL("x")});
        CHECK(nkept == 0 && times == 1 && seen.n == 2);
        CHECK_SL(sl(seen_json, nseen),
                 "{\"time\":\"2025-11-30T00:00:00Z\",\"level\":\"info\",\"who\":\"letter\",\"event\":"
                 "\"received\",\"id\":\"x\"}");
        log_debug("x", "no");
        CHECK(times == 1);
        log_error("x", "both %d", 1);
        CHECK(times == 2 && nkept && seen.n == 0);
        CHECK_SL(sl(seen_json, nseen),
                 "{\"time\":\"2025-11-30T00:00:00Z\",\"level\":\"error\",\"who\":\"x\",\"text\":\"both "
                 "1\"}");
        log_set_tap(NULL, LOG_INFO);
        log_error("x", "no more");
        CHECK(times == 2);
        end();
    }
}
