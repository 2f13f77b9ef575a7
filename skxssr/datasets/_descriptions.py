"""What the phantoms are, in words: the `DESCR` of each task."""

__all__ = ["DESCRIPTIONS"]

_NEVER_EVIDENCE = """\
No image of any person went into them. They serve to try and test software: Dice on phantoms is
never evidence that a method works, or works better than another, on patients.
"""

_CHEST = f"""Chest film phantoms
===================
Stylised frontal chest films, drawn from formulas, and the masks of their lungs.
{_NEVER_EVIDENCE}
Site A, like an old source collection: small lungs high on the plate, wide black borders, a printed
label and a right marker, hard contrast, little noise, nearly all normal.
Site B, like a target hospital: lungs fill the plate, soft and variable contrast with enhanced ribs,
more noise, a left marker, and much disease. Shares of patients there: normal 44%, opacity 25%,
effusion 10%; rare modes child 5%, device (pacemaker) 5%, collapsed (one lung without air) 4%,
rotated 4%; outliers dark (nearly black), inverted and blank (exposed without a patient) 1% each.

A scanner is what turns a patient on the plate into gray: exposure, contrast, enhancement, grain,
sharpness, marker and label. Placing and collimation belong to the patients of a site.

Scenarios. rare: site B has normal 53%, opacity 29%, effusion 11%, collapsed 4%, and the outliers
1% each. dense: site B has easy 62% (clear films that hardly differ from one another, one of each
patient, so about half of all films), normal 5%, opacity 13%, effusion 6%, child 5%, rotated 4%,
collapsed 3%, device 2%, of more varied size than otherwise, and no outliers. null: normal only, one
film of each patient, placed alike, on site A's scanner, the same for both sites.

Masks follow what a reader would outline: the lung is drawn through patchy opacities, ribs and
devices; heart, mediastinum and what lies below the diaphragm are left out; a pleural effusion's
surface is the lower border; a collapsed lung is not drawn; a blank film has an empty mask.
"""

_LESION = f"""Head scan phantoms
==================
Stylised axial slices of heads, drawn from formulas, and the masks of bright lesions in them.
{_NEVER_EVIDENCE}
Each patient is a stack of 8 to 12 neighbouring slices, from below upwards. A lesion reaches through
some of them; masks of the others are empty, and so are all masks of a clear patient. Plexus and
venous sinus are as bright as a lesion and never in a mask.
Site A, like a research collection: heads alike in size and pose, flat field, little noise, dark
fluid and scalp. Shares of patients: lesion 82%, clear 18%.
Site B, like a target hospital: heads smaller and tilted, wider ventricles, smaller lesions of less
contrast, a bright scalp, an uneven field, more noise. Shares of patients: lesion 74%, clear 20%;
the rare mode multiple (three to five lesions) 4%; the outlier motion (a stack spoilt by ghosts, its
mask drawn as if it were not) 2%.

A scanner is the contrast of the tissues, the field, noise and sharpness.

Scenarios. small: lesions of a few pixels at 64 pixels a side, in one to three slices. two_classes:
the same images, 1 in the swelling round a lesion and 2 in its brighter core. null: one lesion of
about the same size in every patient, heads alike, on site A's scanner, the same for both sites.
"""

DESCRIPTIONS = {"chest": _CHEST, "lesion": _LESION}
