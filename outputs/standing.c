/* standing.c - away, tried, works, back.
 *
 *   back ──fell: said──▶ away ──took──▶ works ──steady_ns──▶ back: said
 *                          ▲              │ fell: steady_ns doubles
 *                          └──────────────┘
 *
 * steady_ns does not shrink: what fell often is believed slowly. */
#include "outputs/standing.h"

#define PAUSE_MIN_NS (NS_PER_S / 2)
#define PAUSE_MAX_NS (30 * NS_PER_S)
#define STEADY_MIN_NS (5 * NS_PER_S)
#define STEADY_MAX_NS (600 * NS_PER_S)

/* Twice as long, within its bounds; 0 = the first. */
static uint64_t longer(uint64_t ns, uint64_t min_ns, uint64_t max_ns)
{
    if (ns == 0) {
        return min_ns;
    }
    return ns * 2 < max_ns ? ns * 2 : max_ns;
}

bool standing_fell(struct standing *standing)
{
    bool say = !standing->away;

    if (say || standing->works) {
        standing->steady_ns = longer(standing->steady_ns, STEADY_MIN_NS, STEADY_MAX_NS);
    }
    standing->away = true;
    standing->works = false;
    return say;
}

uint64_t standing_pause(struct standing *standing)
{
    standing->pause_ns = longer(standing->pause_ns, PAUSE_MIN_NS, PAUSE_MAX_NS);
    return standing->pause_ns;
}

void standing_took(struct standing *standing, uint64_t now_ns)
{
    standing->pause_ns = 0;
    if (!standing->works) {
        standing->works = true;
        standing->works_ns = now_ns;
    }
}

bool standing_is_back(struct standing *standing, uint64_t now_ns)
{
    bool back = standing->away && standing->works &&
                time_since(now_ns, standing->works_ns) >= standing->steady_ns;

    standing->away &= !back;
    return back;
}
