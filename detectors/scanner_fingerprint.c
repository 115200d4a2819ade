/* scanner_fingerprint.c - a request bears the structure of an attack tool.
 *
 *   structural  From tag is hex text with the byte 01 inside             SIPVicious (all its tools)
 *               branch of 71 letters and digits without the cookie      sippts
 *               From tag 70c00e8c, or ";rport;alias" and 20 hops        Metasploit sip/enumerator
 *               branch z9hG4bK- and each digit once, twice in a row     Mr.SIP
 *   weak        agent of a tool, no branch cookie, From = To on OPTIONS, 1.1.1.1, CSeq that does
 *               not rise
 *
 * One structural mark or two weak ones raise it; the agent alone does so with low confidence.
 * Structures stay when an attacker changes his agent. One honest branch of ten digits in 2,755 has
 * each digit once, so that mark needs two requests that follow each other. The From tag of svcrack
 * holds user and password: its text is never told.
 *
 * The CSeq mark looks at REGISTERs that came straight from the source (one Via): forking proxies
 * repeat numbers (RFC 3261 section 10.2.4 demands that a user agent counts up). */
#include "detectors/detector.h"

enum { TAG_BYTES_MIN = 12, TAG_BYTES_MAX = 256, SIPPTS_BRANCH_BYTES = 71, CSEQ_MARK = 3 };
enum {
    MARK_HEX_TAG = 1,
    MARK_SIPPTS = 2,
    MARK_METASPLOIT = 4,
    MARK_DIGITS = 8,
    STRUCTURAL = 15,
    MARK_AGENT = 16,
    MARK_NO_COOKIE = 32,
    MARK_FROM_TO = 64,
    MARK_ONES = 128,
    MARK_CSEQ = 256,
};

struct conf {
    struct option_list agents;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("agents", LIST, conf, agents, NULL,
           "friendly-scanner,friendly-request,sipvicious,sundayddr,sip-scan,sipscan,siparmyknife,"
           "pplsip,iWar,sipcli,svmap,svwar,svcrack,sippts,mr.sip,viproy",
           NULL, "parts of User-Agent texts that belong to attack tools, without case"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct lane {
    uint32_t agent; /* hash of the agent that was looked up last, 0 = none */
    uint32_t call_id; /* of the last REGISTER */
    uint32_t cseq;
    uint16_t marks; /* that raised it */
    uint8_t falls; /* REGISTERs in a row whose CSeq did not rise */
    uint8_t permutations; /* branches in a row with each digit once */
    bool agent_is_tool;
    bool answered;
};

static bool scanner_fingerprint_heeds(const struct fact *fact)
{
    const struct fact_message *message = &fact->is.message;

    return message->is_response
               ? message->status >= 200
               : !message->in_dialog && !message->is_retransmission &&
                     message->method != FACT_METHOD_ACK && message->method != FACT_METHOD_CANCEL;
}

static int hex_digit(char byte)
{
    return byte >= '0' && byte <= '9'   ? byte - '0'
           : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
                                        : -1;
}

/* Printable text, 01, decimal digits: as hexadecimal. */
static bool is_hex_text(struct slice tag)
{
    size_t text_bytes = 0;
    size_t digits = 0;
    bool behind = false;

    if (tag.bytes < TAG_BYTES_MIN || tag.bytes > TAG_BYTES_MAX || tag.bytes % 2 != 0) {
        return false;
    }
    for (size_t i = 0; i < tag.bytes; i += 2) {
        int high = hex_digit(tag.at[i]);
        int low = hex_digit(tag.at[i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        int byte = high * 16 + low;
        if (!behind && byte == 1) {
            behind = true;
        } else if (behind ? byte < '0' || byte > '9' : byte < ' ' || byte > '~') {
            return false;
        } else if (behind) {
            digits++;
        } else {
            text_bytes++;
        }
    }
    return text_bytes > 0 && digits >= 4;
}

static bool is_sippts_branch(const struct fact_message *message)
{
    if (message->has_branch_cookie || message->branch.bytes != SIPPTS_BRANCH_BYTES) {
        return false;
    }
    for (size_t i = 0; i < message->branch.bytes; i++) {
        char byte = slice_lower(message->branch.at[i]);
        if (!(byte >= '0' && byte <= '9') && !(byte >= 'a' && byte <= 'z')) {
            return false;
        }
    }
    return true;
}

static bool is_metasploit(const struct fact_message *message)
{
    return slice_equal(message->from_tag, SLICE("70c00e8c")) ||
           (message->max_forwards == 20 &&
            slice_contains_nocase(message->via_parameters, SLICE(";rport;alias")));
}

static bool has_each_digit(struct slice branch)
{
    const struct slice cookie = SLICE("z9hG4bK-");
    unsigned seen = 0;

    if (branch.bytes != cookie.bytes + 10 || !slice_starts_with(branch, cookie)) {
        return false;
    }
    for (size_t i = cookie.bytes; i < branch.bytes; i++) {
        char byte = branch.at[i];
        if (byte < '0' || byte > '9') {
            return false;
        }
        seen |= 1U << (byte - '0');
    }
    return seen == 0x3ff;
}

static bool is_tool(const struct conf *conf, struct slice agent)
{
    for (uint32_t i = 0; i < conf->agents.count; i++) {
        if (slice_contains_nocase(agent, slice_of_string(conf->agents.items[i]))) {
            return true;
        }
    }
    return false;
}

/* Honest phones say the same agent in every message: one look-up each. */
static bool agent_mark(struct detector_context *context, struct lane *lane, const struct conf *conf,
                       struct slice agent)
{
    if (agent.bytes == 0) {
        return false;
    }
    uint32_t hash = (uint32_t)hash_slice(detector_hash_key(context), agent) | 1;
    if (hash != lane->agent) {
        lane->agent = hash;
        lane->agent_is_tool = is_tool(conf, agent);
    }
    return lane->agent_is_tool;
}

static bool cseq_mark(struct detector_context *context, struct lane *lane,
                      const struct fact_message *message)
{
    if (message->method != FACT_METHOD_REGISTER || message->vias > 1 ||
        message->cseq == UINT32_MAX || message->call_id.bytes == 0) {
        return false;
    }
    uint32_t call_id = (uint32_t)hash_slice(detector_hash_key(context), message->call_id);
    if (lane->call_id != call_id) {
        lane->falls = 0;
    } else if (message->cseq <= lane->cseq) {
        lane->falls = lane->falls < UINT8_MAX ? (uint8_t)(lane->falls + 1) : lane->falls;
    }
    lane->call_id = call_id;
    lane->cseq = message->cseq;
    return lane->falls >= CSEQ_MARK;
}

/* What a request shows by itself, without a look at earlier ones. */
static unsigned marks_alone(const struct fact_message *message)
{
    const struct slice ones = SLICE("1.1.1.1");
    unsigned marks = 0;

    marks |= is_hex_text(message->from_tag) ? MARK_HEX_TAG : 0U;
    marks |= is_sippts_branch(message) ? MARK_SIPPTS : 0U;
    marks |= is_metasploit(message) ? MARK_METASPLOIT : 0U;
    marks |= message->has_branch_cookie ? 0U : MARK_NO_COOKIE;
    marks |= message->method == FACT_METHOD_OPTIONS && message->from_user.bytes > 0 &&
                     slice_equal(message->from_user, message->to_user) &&
                     slice_equal_nocase(message->from_host, message->to_host)
                 ? MARK_FROM_TO
                 : 0U;
    marks |= slice_equal(message->from_host, ones) || slice_equal(message->to_host, ones)
                 ? MARK_ONES
                 : 0U;
    return marks;
}

static unsigned marks_of(struct detector_context *context, struct lane *lane,
                         const struct conf *conf, const struct fact_message *message)
{
    unsigned marks = marks_alone(message);

    lane->permutations = has_each_digit(message->branch)
                             ? (uint8_t)(lane->permutations + (lane->permutations < 2))
                             : 0;
    marks |= lane->permutations >= 2 ? MARK_DIGITS : 0U;
    marks |= agent_mark(context, lane, conf, message->user_agent) ? MARK_AGENT : 0U;
    marks |= cseq_mark(context, lane, message) ? MARK_CSEQ : 0U;
    return marks;
}

static unsigned weak_count(unsigned marks)
{
    return (unsigned)__builtin_popcount(marks & ~(unsigned)STRUCTURAL);
}

static bool is_telling(unsigned marks)
{
    return (marks & (STRUCTURAL | MARK_AGENT)) != 0 || weak_count(marks) >= 2;
}

/* What would be told at once is worth an entry at once. */
static bool scanner_fingerprint_marks(const void *configuration, const struct fact *fact)
{
    const struct fact_message *message = &fact->is.message;
    const struct conf *conf = configuration;

    return !message->is_response && scanner_fingerprint_heeds(fact) &&
           (is_telling(marks_alone(message)) || is_tool(conf, message->user_agent));
}

static void write_marks(struct text *text, unsigned marks)
{
    static const struct {
        unsigned mark;
        const char *text;
    } words[] = {
        {MARK_HEX_TAG, "From tag that is hex text (SIPVicious)"},
        {MARK_SIPPTS, "branch of 71 characters without the cookie (sippts)"},
        {MARK_METASPLOIT, "tag or Via of a Metasploit module"},
        {MARK_DIGITS, "branch with each digit once (Mr.SIP)"},
        {MARK_AGENT, "User-Agent of a tool"},
        {MARK_NO_COOKIE, "no branch cookie"},
        {MARK_FROM_TO, "From equal to To"},
        {MARK_ONES, "address 1.1.1.1"},
        {MARK_CSEQ, "CSeq that does not rise"},
    };
    bool first = true;

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if ((marks & words[i].mark) != 0) {
            text_string(text, first ? "" : ", ");
            text_string(text, words[i].text);
            first = false;
        }
    }
}

static void say(struct detector_context *context, const struct lane *lane, const struct fact *fact,
                struct slice agent)
{
    char buffer[240];
    struct text detail = text_into(buffer, sizeof buffer);
    struct finding finding = {.severity = lane->answered ? 2 : 1,
                              .stage = 1,
                              .proven_needed = true,
                              .count = 1,
                              .window_ns = NS_PER_HOUR,
                              .observed = (uint64_t)__builtin_popcount(lane->marks),
                              .unit = "marks"};

    confidence_start(&finding.confidence, 40, "condition met");
    confidence_source(&finding.confidence, &fact->is.message.client);
    if ((lane->marks & STRUCTURAL) != 0) {
        confidence_add(&finding.confidence, 15, "structure of a tool");
    }
    if (lane->marks != MARK_AGENT && weak_count(lane->marks) >= 2) {
        confidence_add(&finding.confidence, 15, "several marks");
    }
    text_string(&detail, "sends requests built by an attack tool");
    text_string(&detail, lane->answered ? " and was answered: " : ": ");
    write_marks(&detail, lane->marks);
    if ((lane->marks & MARK_AGENT) != 0 && agent.bytes > 0) {
        struct text shown = detail;
        text_string(&shown, ", \"");
        text_printable(&shown, slice_part(agent, 0, 32));
        text_string(&shown, "\"");
        detail = shown.overflow ? detail : shown;
    }
    finding.detail = text_slice(&detail);
    detector_raise(context, &finding);
}

static void scanner_fingerprint_on_fact(struct detector_context *context, void *memory, void *cell,
                                        const void *configuration, const struct fact *fact)
{
    const struct fact_message *message = &fact->is.message;
    struct lane *lane = memory;
    (void)cell;

    if (message->is_response) {
        if (lane->marks != 0 && !lane->answered) {
            lane->answered = true;
            say(context, lane, fact, SLICE_NONE);
        }
        return;
    }
    unsigned marks = marks_of(context, lane, configuration, message);
    if (!is_telling(marks)) {
        return;
    }
    lane->marks |= (uint16_t)marks;
    say(context, lane, fact, message->user_agent);
}

const struct detector detector_scanner_fingerprint = {
    .slug = "scanner-fingerprint",
    .title = "requests with the structure of an attack tool",
    .category = "reconnaissance",
    .sees = "single requests whose tags, branches or numbers are made the way known attack tools "
            "make them, whatever "
            "their User-Agent says",
    .blind = "tools that build their messages like phones, and tools that are not known here",
    .false_alarms = "an administrator who runs such a tool on purpose, and very old devices that "
                    "send no branch cookie",
    .advice = "Block the address at the edge unless one of us runs this tool.",
    .example =
        "A source that claims to be 203.0.113.66 sends requests built by an attack tool: From "
        "tag that is hex text (SIPVicious), User-Agent of a tool, From equal to To, address "
        "1.1.1.1, \"friendly-scanner\". Block the address at the edge unless one of us runs this "
        "tool.",
    .tactic = {"TA0043", "Reconnaissance"},
    .attack = {"T1595.002"},
    .severity = 1,
    .stage = 1,
    .key = KEY_SOURCE,
    .wants = FACT_BIT(MESSAGE),
    .message_steps = 1 << FACT_MESSAGE_ASKS | 1 << FACT_MESSAGE_ANSWERS,
    .lane_bytes = sizeof(struct lane),
    .conf_bytes = sizeof(struct conf),
    .options = options,
    .heeds = scanner_fingerprint_heeds,
    .marks = scanner_fingerprint_marks,
    .on_fact = scanner_fingerprint_on_fact,
};
