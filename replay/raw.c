/* msgpack read in passing: see raw.h. */
#include "replay/raw.h"
#include "replay/value.h"

static bool skip(struct avj_raw *r, uint64_t n)
{
    if ((uint64_t)(r->end - r->at) < n)
        return false;
    r->at += n;
    return true;
}

static bool length(struct avj_raw *r, int bytes, uint64_t *out)
{
    if (r->end - r->at < bytes)
        return false;
    *out = 0;
    for (int i = 0; i < bytes; i++)
        *out = *out << 8 | *r->at++;
    return true;
}

static bool skip_value(struct avj_raw *r, int depth);

/*
 * msgpack-c allocates for as many items as a header claims.  This walk makes sure first that every
 * claimed item has at least a byte of its own, and that nesting is bounded.
 */
static bool skip_items(struct avj_raw *r, uint64_t items, int depth)
{
    if (depth >= AVJ_VALUE_DEPTH_MAX || items > (uint64_t)(r->end - r->at))
        return false;
    for (uint64_t i = 0; i < items; i++)
        if (!skip_value(r, depth + 1))
            return false;
    return true;
}

static bool skip_sized(struct avj_raw *r, uint8_t tag, int depth)
{
    static const uint8_t fixed[] = {[0xca - 0xca] = 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 2, 3, 5, 9, 17};
    uint64_t n;
    if (tag >= 0xca && tag <= 0xd8)
        return skip(r, fixed[tag - 0xca]);
    switch (tag) {
    case 0xc4: /* bin 8, 16, 32 */
    case 0xc5:
    case 0xc6:
        return length(r, 1 << (tag - 0xc4), &n) && skip(r, n);
    case 0xc7: /* ext 8, 16, 32: a type byte more */
    case 0xc8:
    case 0xc9:
        return length(r, 1 << (tag - 0xc7), &n) && skip(r, n + 1);
    case 0xd9: /* str 8, 16, 32 */
    case 0xda:
    case 0xdb:
        return length(r, 1 << (tag - 0xd9), &n) && skip(r, n);
    case 0xdc: /* array 16, 32 */
    case 0xdd:
        return length(r, tag == 0xdc ? 2 : 4, &n) && skip_items(r, n, depth);
    case 0xde: /* map 16, 32 */
    case 0xdf:
        return length(r, tag == 0xde ? 2 : 4, &n) && skip_items(r, 2 * n, depth);
    default:
        return tag == 0xc0 || tag == 0xc2 || tag == 0xc3; /* nil, false, true; 0xc1 is never used */
    }
}

static bool skip_value(struct avj_raw *r, int depth)
{
    if (r->at == r->end)
        return false;
    uint8_t tag = *r->at++;
    if (tag <= 0x7f || tag >= 0xe0)
        return true;
    if (tag <= 0x8f)
        return skip_items(r, 2u * (tag & 0x0f), depth);
    if (tag <= 0x9f)
        return skip_items(r, tag & 0x0f, depth);
    if (tag <= 0xbf)
        return skip(r, tag & 0x1f);
    return skip_sized(r, tag, depth);
}

bool avj_raw_skip(struct avj_raw *r, int depth)
{
    return skip_value(r, depth);
}

/* ---- one value of a known kind ---- */

/* A header with a count: `fix` to `fix` + few in one byte, then 8 (0: there is none), 16 and 32 bit
 * tags. */
struct counted {
    uint8_t fix, few, tag8, tag16, tag32;
};
static const struct counted text_header = {0xa0, 31, 0xd9, 0xda, 0xdb};
static const struct counted list_header = {0x90, 15, 0, 0xdc, 0xdd};
static const struct counted map_header = {0x80, 15, 0, 0xde, 0xdf};

/* Steps over the header; only the shortest form will do. */
static inline bool counted(struct avj_raw *r, const struct counted *h, uint64_t *n)
{
    if (r->at == r->end)
        return false;
    uint8_t tag = *r->at;
    struct avj_raw behind = {r->at + 1, r->end};
    uint64_t least;
    if (tag >= h->fix && tag - h->fix <= h->few) {
        *n = (uint64_t)(tag - h->fix);
        r->at++;
        return true;
    }
    if (h->tag8 && tag == h->tag8 && length(&behind, 1, n))
        least = h->few + 1u;
    else if (tag == h->tag16 && length(&behind, 2, n))
        least = h->tag8 ? 256 : h->few + 1u;
    else if (tag == h->tag32 && length(&behind, 4, n))
        least = 65536;
    else
        return false;
    if (*n < least)
        return false;
    *r = behind;
    return true;
}

bool avj_raw_map(struct avj_raw *r, size_t *pairs)
{
    struct avj_raw from = *r;
    uint64_t n;
    if (!counted(r, &map_header, &n) || 2 * n > (uint64_t)(r->end - r->at)) {
        *r = from;
        return false;
    }
    *pairs = (size_t)n;
    return true;
}

bool avj_raw_list(struct avj_raw *r, size_t *items)
{
    struct avj_raw from = *r;
    uint64_t n;
    if (!counted(r, &list_header, &n) || n > (uint64_t)(r->end - r->at)) {
        *r = from;
        return false;
    }
    *items = (size_t)n;
    return true;
}

bool avj_raw_text(struct avj_raw *r, struct avj_slice *text)
{
    struct avj_raw from = *r;
    uint64_t n;
    if (!counted(r, &text_header, &n) || n > (uint64_t)(r->end - r->at)) {
        *r = from;
        return false;
    }
    *text = (struct avj_slice){r->at, (size_t)n};
    r->at += n;
    return true;
}

/* A number in its shortest form: non-negative ones unsigned. */
bool avj_raw_int(struct avj_raw *r, int64_t *value)
{
    if (r->at == r->end)
        return false;
    uint8_t tag = *r->at;
    struct avj_raw behind = {r->at + 1, r->end};
    uint64_t n;
    if (tag <= 0x7f || tag >= 0xe0) {
        *value = (int8_t)tag;
        *r = behind;
        return true;
    }
    bool plain = false;
    if (tag >= 0xcc && tag <= 0xcf) {
        static const uint64_t least[] = {0x80, 0x100, 0x10000, 0x100000000};
        plain = length(&behind, 1 << (tag - 0xcc), &n) && n >= least[tag - 0xcc] && n <= INT64_MAX;
        *value = plain ? (int64_t)n : 0;
    } else if (tag >= 0xd0 && tag <= 0xd3) {
        static const int64_t below[] = {-32, INT8_MIN, INT16_MIN, INT32_MIN};
        int bytes = 1 << (tag - 0xd0);
        plain = length(&behind, bytes, &n);
        *value = plain ? (int64_t)(n << (64 - 8 * bytes)) >> (64 - 8 * bytes) : 0;
        plain = plain && *value < below[tag - 0xd0];
    }
    if (plain)
        *r = behind;
    return plain;
}

static bool byte(struct avj_raw *r, uint8_t tag)
{
    if (r->at == r->end || *r->at != tag)
        return false;
    r->at++;
    return true;
}

bool avj_raw_nil(struct avj_raw *r)
{
    return byte(r, 0xc0);
}

bool avj_raw_bool(struct avj_raw *r, bool *value)
{
    *value = byte(r, 0xc3);
    return *value || byte(r, 0xc2);
}

/* ---- plain values ---- */

static bool skip_plain(struct avj_raw *r, int depth)
{
    struct avj_slice text;
    int64_t integer;
    bool flag;
    size_t n;
    if (avj_raw_text(r, &text) || avj_raw_int(r, &integer) || avj_raw_nil(r) ||
        avj_raw_bool(r, &flag))
        return true;
    if (r->at == r->end || depth >= AVJ_VALUE_DEPTH_MAX)
        return false;
    if (*r->at == 0xcb) /* a double */
        return skip(r, 9);
    if (avj_raw_list(r, &n)) {
        for (size_t i = 0; i < n; i++)
            if (!skip_plain(r, depth + 1))
                return false;
        return true;
    }
    if (!avj_raw_map(r, &n))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!avj_raw_text(r, &text) || !skip_plain(r, depth + 1))
            return false;
    return true;
}

bool avj_raw_skip_plain(struct avj_raw *r, int depth)
{
    return skip_plain(r, depth);
}
