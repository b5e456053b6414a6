"""Texts with people's names in them and texts with none, to see what a language model finds and what it takes for a person.

The people are invented: common first and last names of a language, put together at random. The decoys are what stands in
business data and looks like a name: places, firms, products, weekdays, and texts about orders.
"""

from __future__ import annotations

import random

SEED = 20261122

PEOPLE: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "English": (
        ("Emily", "James", "Olivia", "Thomas", "Charlotte", "Henry", "Grace", "Peter"),
        ("Carter", "Wilson", "Hughes", "Bennett", "Turner", "Foster", "Walsh", "Morgan"),
    ),
    "German": (
        ("Anna", "Jürgen", "Katrin", "Stefan", "Ursula", "Dieter", "Heike", "Lukas"),
        ("Müller", "Schmidt", "Becker", "Hoffmann", "Krüger", "Vogel", "Schäfer", "Lehmann"),
    ),
    "French": (
        ("Camille", "Julien", "Amélie", "Pierre", "Chloé", "Antoine", "Élodie", "Mathieu"),
        ("Dubois", "Lefèvre", "Moreau", "Girard", "Fontaine", "Mercier", "Blanc", "Roux"),
    ),
    "Spanish": (
        ("Lucía", "Javier", "Carmen", "Diego", "Pilar", "Álvaro", "Marta", "Sergio"),
        ("García", "Fernández", "Navarro", "Ortega", "Ramírez", "Molina", "Castillo", "Vega"),
    ),
    "Italian": (
        ("Giulia", "Marco", "Francesca", "Luca", "Chiara", "Matteo", "Elena", "Paolo"),
        ("Rossi", "Ferrari", "Bianchi", "Romano", "Colombo", "Ricci", "Marino", "Greco"),
    ),
    "Polish": (
        ("Agnieszka", "Piotr", "Katarzyna", "Tomasz", "Magdalena", "Krzysztof", "Ewa", "Paweł"),
        ("Nowak", "Kowalski", "Wiśniewski", "Wójcik", "Zieliński", "Mazur", "Krawczyk", "Lis"),
    ),
    "Dutch": (
        ("Sanne", "Bram", "Fleur", "Daan", "Lotte", "Pieter", "Anouk", "Jeroen"),
        ("de Vries", "van den Berg", "Bakker", "Jansen", "Visser", "Mulder", "van Dijk", "Smit"),
    ),
    "Turkish": (
        ("Ayşe", "Mehmet", "Elif", "Mustafa", "Zeynep", "Emre", "Fatma", "Burak"),
        ("Yılmaz", "Kaya", "Demir", "Çelik", "Şahin", "Öztürk", "Aydın", "Arslan"),
    ),
    "Indian": (
        ("Priya", "Rahul", "Ananya", "Vikram", "Deepika", "Arjun", "Kavya", "Sanjay"),
        ("Sharma", "Patel", "Reddy", "Iyer", "Gupta", "Nair", "Banerjee", "Singh"),
    ),
    "Arabic": (
        ("Fatima", "Omar", "Layla", "Ahmed", "Noor", "Yusuf", "Amira", "Khalid"),
        ("Hassan", "Al-Sayed", "Mansour", "Haddad", "Nasser", "Khalil", "Farouk", "Aziz"),
    ),
    "Chinese": (
        ("Wei", "Xiaoling", "Jun", "Mei", "Haoran", "Lihua", "Yan", "Zhiwei"),
        ("Zhang", "Li", "Wang", "Chen", "Liu", "Huang", "Zhao", "Wu"),
    ),
    "Vietnamese": (
        ("Linh", "Minh", "Huong", "Duc", "Thao", "Quang", "Lan", "Tuan"),
        ("Nguyen", "Tran", "Pham", "Hoang", "Vu", "Dang", "Bui", "Do"),
    ),
    "Nigerian": (
        ("Chidinma", "Emeka", "Ngozi", "Tunde", "Amaka", "Segun", "Ifeoma", "Babatunde"),
        ("Okafor", "Adeyemi", "Eze", "Balogun", "Nwosu", "Adebayo", "Obi", "Ogunleye"),
    ),
}
"""First names and last names by language."""

WITH_A_NAME = (
    "Spoke to {} about the late invoice.", "{} called and asked for a refund.",
    "Please forward this to {} in accounting.", "Customer {} moved house and wants the contract changed.",
    "The parcel was handed to {}.", "Complaint from {}, second reminder.",
    "As agreed with {} on the phone, the fee is waived.", "Signed by {} on 3 March.",
    "{} did not answer, try again tomorrow.", "Refer all further questions to {}.",
)

_CITIES = (
    "Berlin", "Hamburg", "Lyon", "Madrid", "Porto", "Kraków", "Izmir", "Mumbai", "Lagos", "Hanoi", "Austin", "Florence",
    "Charlotte", "Sydney", "Geneva", "Lima",
)
_FIRMS = (
    "Northwind Traders", "Siemens Energy", "Contoso Bank", "Baker & Sons Ltd", "Volkswagen", "Marks and Spencer",
    "Nordea", "Acme Logistics", "Deutsche Post", "Johnson Controls", "Lloyds", "Goldman Sachs", "Dr. Oetker",
    "Mercedes-Benz",
)
_PRODUCTS = (
    "Galaxy Tab", "ThinkPad", "Model Y", "Golf Variant", "Office Chair Markus", "Coffee Maker Bella",
    "Winter Jacket Alaska", "Desk Lamp Nova", "Cordless Drill", "Running Shoe Pegasus", "Blue Cheese", "Trail Mix",
)
_DAYS = (
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
)

DECOYS: dict[str, tuple[str, ...]] = {
    "places in a sentence": tuple(t.format(c) for c in _CITIES for t in (
        "Delivery to {} was delayed by snow.", "Applicant lives in {} and rents a flat.", "The branch in {} is closed.",
    )),
    "places": tuple(f"{a} {b}" for a in _CITIES for b in ("Central Station", "Airport", "West", "Old Town")),
    "firms in a sentence": tuple(t.format(f) for f in _FIRMS for t in (
        "Works at {} since 2019.", "Invoice from {} is overdue.", "Transfer to {} was rejected.", "{} confirmed the employment.",
    )),
    "products": tuple(t.format(p) for p in _PRODUCTS for t in (
        "Bought a {} in instalments.", "{}, black, one piece", "Return of {}: screen broken.", "Order for the {} cancelled.",
    )),
    "weekdays": tuple(t.format(d) for d in _DAYS for t in (
        "{} morning before ten", "Call back on {}.", "{} delivery only", "Closed from {} to Sunday", "Rescheduled from {}.",
        "Not before {} evening, please",
    )),
    "orders": tuple(t.format(n) for n in range(40100, 40108) for t in (
        "Order {} shipped, two parcels", "Refund for order {} approved", "Invoice {} paid twice", "Customer cancelled order {}",
        "Order {}: address incomplete, returned to sender", "Item {} out of stock, back order placed",
    )),
    "prose": (
        "Applicant asked for a longer term because of a new kitchen.",
        "Late payment twice last year, paid in full since.", "No answer on the phone, letter sent.",
        "Loan for a used car, down payment of a third.", "Has been a customer for nine years.",
        "Income proven by three payslips.", "Wants to pay early and asks for the fee.",
        "Income has fallen since the move.", "Documents complete, waiting for approval.",
        "Second applicant earns more than the first.", "Card blocked after three attempts.",
        "Complaint about a fee, refunded as a gesture.", "Contract ends in June, will not be renewed.",
        "Bank statement is unreadable.", "Guarantee given by the employer.",
        "Self-employed, accounts of two years enclosed.", "Rent is paid on time.", "Asked for a form in large print.",
        "Flight delayed by fog.", "Crew late from the inbound flight.", "Bags loaded late, gate changed.",
        "Bike station full, moved to the next one.", "Two bikes with flat tyres.", "Docking point out of order.",
    ),
    "categories": (
        "radio/tv", "furniture and equipment", "no checking account", "existing credits paid back duly",
        "skilled employee", "unskilled resident", "real estate", "building society savings", "car or other", "business",
        "vacation retraining", "domestic appliances", "male single", "female divorced", "Light Snow", "Heavy Rain",
        "Clear Sky", "United Air Lines Inc.", "Delta Air Lines Inc.", "JetBlue Airways", "Newark Liberty", "La Guardia",
        "John F Kennedy Intl", "Never married", "Married spouse absent",
    ),
    "titles": (
        "Senior Account Manager", "Head of Risk", "Registered Nurse", "Software Engineer II", "Branch Manager",
        "Truck Driver", "Customer Service Agent", "Data Protection Officer", "Chief Financial Officer",
        "Machine Operator", "Primary School Teacher", "Warehouse Clerk", "Legal Counsel", "Electrician",
        "Sales Assistant", "Accounts Payable", "Human Resources", "Quality Control",
    ),
}
"""Texts in which nobody is named, by kind. ``John F Kennedy Intl`` is an airport; a reader may argue about it."""

SENTENCES = ("places in a sentence", "firms in a sentence", "weekdays", "orders", "prose")
"""The kinds that are notes, as people write them; the others are short labels."""


def people(language: str, count: int, seed: int = SEED) -> list[str]:
    """Return so many invented people of a language, by first and last name."""
    drawn = random.Random(f"{seed} {language}")
    first, last = PEOPLE[language]
    return [f"{drawn.choice(first)} {drawn.choice(last)}" for _ in range(count)]


def notes(language: str, count: int, seed: int = SEED) -> list[str]:
    """Return so many notes, each with one person in it, all forms equally often."""
    return [WITH_A_NAME[i % len(WITH_A_NAME)].format(one) for i, one in enumerate(people(language, count, seed))]
