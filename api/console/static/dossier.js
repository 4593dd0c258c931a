// What a dossier consists of: fields, slots, and an invented citizen for demos.

export const fields = [
  { name: "personalNumber", label: "Personal number, 12 digits", max: 12, digits: true, required: true },
  { name: "name", label: "Whole name, family name first", required: true },
  { name: "dateOfBirth", label: "Date of birth", type: "date", required: true },
  { name: "gender", label: "Sex", options: [["M", "male (Nam)"], ["F", "female (Nữ)"]] },
  { name: "nationality", label: "Nationality, three letters", max: 3, required: true },
  { name: "ethnicity", label: "Ethnicity" },
  { name: "religion", label: "Religion" },
  { name: "placeOfOrigin", label: "Place of origin", wide: true, max: 300 },
  { name: "placeOfResidence", label: "Place of residence", wide: true, max: 300 },
  { name: "identifyingMarks", label: "Identifying marks", wide: true, max: 300 },
  { name: "father", label: "Father" },
  { name: "mother", label: "Mother" },
  { name: "spouse", label: "Spouse" },
  { name: "formerNumber", label: "Former number, 9 digits", max: 9, digits: true },
];

export const blank = { gender: "M", nationality: "VNM", ethnicity: "Kinh", religion: "Không" };

// Finger positions of ISO/IEC 19794-4.
export const fingerNames = ["", "right thumb", "right index", "right middle", "right ring", "right little", "left thumb", "left index", "left middle", "left ring", "left little"];

const rolled = Object.fromEntries(fingerNames.slice(1).map((name, i) => [`rolled-${name.replace(" ", "-")}`, { name: `Rolled ${name}`, fingers: [i + 1] }]));

export const slots = {
  portrait: { name: "Portrait" },
  "plain-right-four": { name: "Four right, flat", fingers: [2, 3, 4, 5] },
  "plain-left-four": { name: "Four left, flat", fingers: [7, 8, 9, 10] },
  "plain-thumbs": { name: "Two thumbs, flat", fingers: [1, 6] },
  ...rolled,
};

const pick = (from) => from[Math.floor(Math.random() * from.length)];
const digits = (n) => Array.from({ length: n }, () => Math.floor(Math.random() * 10)).join("");

// example is an invented citizen whose number fits birth date, sex and province.
export function example() {
  const woman = Math.random() < 0.5;
  const year = 1965 + Math.floor(Math.random() * 40);
  const century = year < 2000 ? 0 : 2;
  const two = (n) => String(n).padStart(2, "0");
  return {
    personalNumber: `001${century + (woman ? 1 : 0)}${two(year % 100)}0000${digits(2)}`,
    name: woman ? `${pick(["Nguyễn", "Trần", "Lê", "Phạm"])} Thị ${pick(["Hoa", "Ánh", "Thu Thủy", "Ngọc Mẫu"])}` : `${pick(["Nguyễn", "Đặng", "Hoàng", "Vũ"])} ${pick(["Văn Thử", "Minh Đức", "Quốc Khải", "Hữu Phước"])}`,
    dateOfBirth: `${year}-${two(1 + Math.floor(Math.random() * 12))}-${two(1 + Math.floor(Math.random() * 28))}`,
    gender: woman ? "F" : "M",
    nationality: "VNM",
    ethnicity: "Kinh",
    religion: "Không",
    placeOfOrigin: "Làng Ví Dụ, Ba Đình, Hà Nội",
    placeOfResidence: "Số 1 phố Thử Nghiệm, Ba Đình, Hà Nội",
    identifyingMarks: "Nốt ruồi cách 1 cm dưới sau đuôi mắt trái",
    father: "Nguyễn Văn Mẫu",
    mother: "Trần Thị Mẫu",
  };
}
