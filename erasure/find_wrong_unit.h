// erasure/find_wrong_unit.h - which unit of a block group has wrong bytes, by what the others say.
//
// Any k units say what all others are. Of p units that are there, p - k are spare, and the more are
// spare the more can be told of the bytes at one offset:
//
//   spare   wrong units seen for certain   the wrong one named      two wrong at one offset
//     0     none                           never                    pass for right
//     1     one                            never: each might be it  may pass for right (1 of 255)
//     2     two                            if it is the only one    may name a third (p - 2 of 255)
//     3     three                          if it is the only one    never name anybody
//
// A unit is named if all others agree without it, and without no other: it is the only one of which
// a single wrong unit could be. That is a proof only if no more than one is wrong. With two spare
// units two wrong ones can look, at one offset, as if a third, right one were wrong: of the 255
// ratios that the two errors may have, one does so for each of the p - 2 others. What is at other
// offsets says whether it was so, since a unit is named only if it explains all of them: two units
// that are wrong at different offsets name nobody, and where both are wrong at n offsets, with
// errors that have nothing to do with each other, a third fits all of them with (p - 2) / 255^n.
// With three spare units two wrong ones never name a third; three may. More than that no rule can
// know: if a writer computed all parity from a byte that was not the one that it stored, all parity
// units agree against the right one. Whoever acts on a name has the rest of the group agree first,
// to its end, and keeps an eye on what is left to compare with.
//
// With one spare unit nobody is named: leaving out any of them ends the contradiction.
//
// A group that is looked at in pieces, which may have lost units in between: the wrong one is a
// suspect of every piece that contradicts itself. With one spare unit a piece has two suspects or
// more, since unit 0 and parity end last; so if one alone is left, some piece has named it. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "erasure/coder.h"

namespace cairn::erasure {

// The bytes of a unit at some offsets, the same for all units.
struct UnitPiece {
  const std::byte* bytes = nullptr;  // null: it is not there
  // So many of them are the unit's own. The others are zeros because the unit ends before
  // (erasure/layout.h): nobody wrote them, and they are right. 0: a data unit without a block, or
  // offsets behind its end, where zeros are known of a lost unit, too.
  size_t held = 0;
};

enum class Agreement : uint8_t {
  kUnchecked,   // no more than k units are there: any bytes in them give some group
  kAgree,       // they all say the same
  kOneIsWrong,  // all but one say the same
  kCannotSay,   // they contradict each other, for which several units, or none, may be the reason
};

struct UnitFinding {
  Agreement agreement = Agreement::kUnchecked;
  uint32_t unit = 0;  // kOneIsWrong
  size_t offset = 0;  // kOneIsWrong, kCannotSay: of the first bytes that contradict each other
  // Then, a bit for each: units with bytes of their own wherever there is a contradiction, without
  // which the others agree, or have nothing that could differ. kOneIsWrong: `unit` alone.
  uint32_t suspects = 0;
};

// `units`: k + m pieces of `bytes` bytes, by number.
UnitFinding FindWrongUnit(const Coder& coder, std::span<const UnitPiece> units, size_t bytes);

}  // namespace cairn::erasure
