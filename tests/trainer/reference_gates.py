"""Plain, slow gates in float64, written from the formulas: what the fast ones must equal.

One task and one example at a time, loops in place of broadcasting; nothing is imported from
the code under test.
"""

import itertools
import math

import numpy as np


def softmax(logits):
    """exp(b_i) / sum_j exp(b_j)."""
    highest = max(logits)
    powers = [math.exp(b - highest) for b in logits]
    return [p / sum(powers) for p in powers]


def top_k(logits, k):
    """softmax over the k largest; of equal ones the first."""
    kept = sorted(range(len(logits)), key=lambda i: (-logits[i], i))[:k]
    weights = softmax([logits[i] for i in kept])
    return [weights[kept.index(i)] if i in kept else 0.0 for i in range(len(logits))]


def smooth_step(t, beta):
    """The cubic between its two flat ends."""
    if t <= -beta / 2:
        return 0.0
    if t >= beta / 2:
        return 1.0
    return -2 / beta**3 * t**3 + 3 / (2 * beta) * t + 0.5


def selector(z, beta):
    """r(S(z)): the chance of each code, least significant bit first."""
    bits = [smooth_step(t, beta) for t in z]
    codes = []
    for code in range(2 ** len(z)):
        chance = 1.0
        for j, bit in enumerate(bits):
            chance *= bit if code // 2**j % 2 else 1 - bit
        codes.append(chance)
    return codes


def entropy(shares):
    """-sum p log p."""
    return -sum(p * math.log(p) for p in shares if p > 0)


def dselect_k(alpha, z, beta, num_experts):
    """Weights, entropy and unreachable mass of one task."""
    mix = softmax(alpha)
    codes = [selector(row, beta) for row in z]
    weights = [sum(m * r[i] for m, r in zip(mix, codes, strict=True)) for i in range(num_experts)]
    return weights, sum(map(entropy, codes)), sum(sum(r[num_experts:]) for r in codes)


def expected_union(codes):
    """sum_i [1 - prod (1 - r_i)] over the selectors of all tasks, by enumeration."""
    expected = 0.0
    for choice in itertools.product(range(len(codes[0])), repeat=len(codes)):
        chance = math.prod(r[i] for r, i in zip(codes, choice, strict=True))
        expected += chance * len(set(choice))
    return expected


def softmax_selectors(alpha, gamma, tau):
    """Weights of the ablations: softmax(gamma / tau) in place of r."""
    mix = softmax(alpha)
    selectors = [softmax([g / tau for g in row]) for row in gamma]
    weights = [
        sum(m * s[i] for m, s in zip(mix, selectors, strict=True)) for i in range(len(gamma[0]))
    ]
    return weights, sum(map(entropy, selectors))


def gumbel_softmax(alpha, coins):
    """softmax(alpha)_i where the coin is at least fair or the likeliest; and sum log p."""
    shares = softmax(alpha)
    chances = [1 / (1 + math.exp(-c)) for c in coins]
    used = [p >= 0.5 or i == chances.index(max(chances)) for i, p in enumerate(chances)]
    weights = [s if u else 0.0 for s, u in zip(shares, used, strict=True)]
    return weights, sum(map(math.log, chances))


def load(clean, noisy, deviation, k):
    """P_i = Phi((clean_i - k-th largest of the others' noisy logits) / deviation_i)."""
    chances = []
    for i in range(len(clean)):
        others = sorted(np.delete(noisy, i), reverse=True)
        x = (clean[i] - others[k - 1]) / deviation[i] if k <= len(others) else math.inf
        chances.append(0.5 * (1 + math.erf(x / math.sqrt(2))))
    return chances


def importance_penalty(importance):
    """Var(I) / (Mean(I)^2 + 1e-10)."""
    mean = sum(importance) / len(importance)
    variance = sum((x - mean) ** 2 for x in importance) / len(importance)
    return variance / (mean**2 + 1e-10)


def kl_penalty(importance):
    """sum P log(n P)."""
    shares = [x / sum(importance) for x in importance]
    return sum(p * math.log(len(shares) * p) for p in shares if p > 0)


def hard_balance(kind, batches, k, threshold):
    """Barred experts before each batch, and the state after the last.

    Args:
        kind: `relative` or `mean`.
        batches: [S, B, n] logits.
        k: of the Top-k gate.
        threshold: on the surplus.
    """
    num_experts = len(batches[0][0])
    relative, mean, barred_sets = [0.0] * num_experts, [0.0] * num_experts, []
    for step, batch in enumerate(batches):
        surplus = relative if kind == "relative" else [m - 1 / num_experts for m in mean]
        if step == 0:
            surplus = [0.0] * num_experts
        lowest = sorted(range(num_experts), key=lambda i: (surplus[i], i))[:k]
        barred = {i for i in range(num_experts) if surplus[i] > threshold and i not in lowest}
        barred_sets.append(barred)
        importance = [0.0] * num_experts
        for row in batch:
            masked = [-1e300 if i in barred else b for i, b in enumerate(row)]
            importance = [a + w for a, w in zip(importance, top_k(masked, k), strict=True)]
        fair = len(batch) / num_experts
        relative = [r + (x - fair) / fair for r, x in zip(relative, importance, strict=True)]
        mean = [
            (m * step + x / len(batch)) / (step + 1) for m, x in zip(mean, importance, strict=True)
        ]
    surplus = relative if kind == "relative" else [m - 1 / num_experts for m in mean]
    return barred_sets, surplus
